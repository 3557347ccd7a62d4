"""Trains and exports a small CNN that reads 8x8 handwritten digits.

    pip install -r requirements.txt
    python digits_cnn.py

Writes digits_cnn.stablehlo.mlir, digits_cnn.npz (20 test images, logits, and the digits they show
under the key `labels`), and the same images for firmware without a zip reader:
digits_images.bin (20 x 64 little-endian f32, row by row, 0 = white to 1 = black) and
digits_labels.bin (20 bytes).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from export import HERE, export

EPOCHS, BATCH, RATE, SHOWN = 80, 32, 3e-3, 20


def conv(x, w, b):
    y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y + b)


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def cnn(params, x):
    """Logits, N x 10, of images, N x 8 x 8 x 1."""
    x = pool(conv(x, *params["conv1"]))
    x = pool(conv(x, *params["conv2"]))
    w, b = params["dense"]
    return x.reshape(x.shape[0], -1) @ w + b


def initial(key):
    def layer(key, *shape):
        fan_in = np.prod(shape[:-1])
        return jax.random.normal(key, shape) * np.sqrt(2 / fan_in), jnp.zeros(shape[-1])

    k1, k2, k3 = jax.random.split(key, 3)
    return {
        "conv1": layer(k1, 3, 3, 1, 8),
        "conv2": layer(k2, 3, 3, 8, 16),
        "dense": layer(k3, 64, 10),
    }


def loss(params, x, y):
    return -jnp.mean(jax.nn.log_softmax(cnn(params, x))[jnp.arange(len(y)), y])


@jax.jit
def adam(params, m, v, t, rate, x, y):
    grads = jax.grad(loss)(params, x, y)
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)

    def step(p, m, v):
        return p - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return jax.tree.map(step, params, m, v), m, v


def train(x, y, params):
    m = v = jax.tree.map(jnp.zeros_like, params)
    rng, t = np.random.default_rng(0), 0
    for epoch in range(EPOCHS):
        rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            batch, t = order[start : start + BATCH], t + 1
            params, m, v = adam(params, m, v, t, rate, x[batch], y[batch])
    return params


def main():
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[..., None]
    x, x_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    params = train(x, y, initial(jax.random.key(0)))
    accuracy = float(jnp.mean(jnp.argmax(cnn(params, x_test), axis=1) == y_test))
    print(f"test accuracy {accuracy:.4f} on {len(x_test)} images")
    if accuracy < 0.97:
        raise SystemExit("training went wrong: the accuracy should be at least 0.97")
    shown, labels = x_test[:SHOWN], y_test[:SHOWN].astype(np.uint8)
    export("digits_cnn", lambda x: cnn(params, x), [shown[:, None]], labels=labels)
    (HERE / "digits_images.bin").write_bytes(shown.astype("<f4").tobytes())
    (HERE / "digits_labels.bin").write_bytes(labels.tobytes())


if __name__ == "__main__":
    main()
