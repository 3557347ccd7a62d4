"""Training by Adam, for the scripts beside this one."""

import jax
import jax.numpy as jnp
import numpy as np


def dense(key, *shape):
    """A layer's weights, scaled by their fan-in, and biases."""
    fan_in = np.prod(shape[:-1])
    return jax.random.normal(key, shape) * np.sqrt(2 / fan_in), jnp.zeros(shape[-1])


def cross_entropy(logits, labels):
    """Mean negative log-likelihood of labels, N, under logits, N x classes."""
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])


def adam(loss, params, batches, steps, rate):
    """Parameters after `steps` steps; `loss(params, *batch)` is what falls, `batches(step)` a batch."""

    @jax.jit
    def update(params, m, v, t, rate, batch):
        grads = jax.grad(loss)(params, *batch)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)

        def step(p, m, v):
            return p - rate * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

        return jax.tree.map(step, params, m, v), m, v

    m = v = jax.tree.map(jnp.zeros_like, params)
    for t in range(1, steps + 1):
        now = rate * 0.5 * (1 + np.cos(np.pi * t / steps))
        params, m, v = update(params, m, v, t, now, batches(t))
    return params
