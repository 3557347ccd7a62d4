"""Exports three small networks with fixed random weights, for tests.

    pip install -r requirements.txt
    python tiny.py

mlp_tanh: a dense network on vectors without a batch axis. gru_step: one step of a gated
recurrent unit, two arguments and two results. dsconv_softmax: a depthwise separable convolution,
mean over the image and a softmax.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from export import export

CASES = 8
rng = np.random.default_rng(0)


def normal(*shape):
    """Standard normal values scaled by the fan-in of a weight of that shape."""
    scale = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.1
    return jnp.asarray(rng.standard_normal(shape) * scale, jnp.float32)


def inputs(*shape):
    return rng.standard_normal((CASES, *shape)).astype(np.float32)


def mlp_tanh():
    layers = [(normal(i, o), normal(o)) for i, o in [(6, 16), (16, 16), (16, 3)]]

    def mlp(x):
        for w, b in layers[:-1]:
            x = jnp.tanh(x @ w + b)
        w, b = layers[-1]
        return x @ w + b

    export("mlp_tanh", mlp, [inputs(6)])


def gru_step():
    features, units = 5, 12
    w, u, b = normal(features, 3 * units), normal(units, 3 * units), normal(3 * units)

    def gru(x, h):
        """New output and state from the input, 1 x 5, and the state, 1 x 12."""
        xz, xr, xn = jnp.split(x @ w + b, 3, axis=-1)
        hz, hr, hn = jnp.split(h @ u, 3, axis=-1)
        z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
        h = (1 - z) * jnp.tanh(xn + r * hn) + z * h
        return jnp.sum(h, axis=-1), h

    export("gru_step", gru, [inputs(1, features), inputs(1, units)], hlo=True)


def dsconv_softmax():
    channels, classes = 8, 5
    stem, depthwise = normal(3, 3, 2, channels), normal(3, 3, 1, channels)
    pointwise, bias, head = normal(channels, 16), normal(16), normal(16, classes)

    def conv(x, w, stride, groups=1):
        dims = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, w, (stride, stride), "SAME", dimension_numbers=dims, feature_group_count=groups
        )

    def net(x):
        x = jax.nn.relu(conv(x, stem, 2))
        x = jax.nn.relu6(conv(x, depthwise, 1, groups=channels))
        x = jax.nn.relu(conv(x, pointwise[None, None], 1) + bias)
        return jax.nn.softmax(jnp.mean(x, axis=(1, 2)) @ head)

    export("dsconv_softmax", net, [inputs(1, 12, 10, 2)])


if __name__ == "__main__":
    mlp_tanh()
    gru_step()
    dsconv_softmax()
