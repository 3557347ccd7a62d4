"""Ripple of a supply voltage without its glitches, by an operation that the firmware provides.

A median over three samples takes the glitches out. It is a composite: its decomposition says what it computes, and
`microhlo compile --extern board.median3` leaves it to the firmware.

Writes ripple.stablehlo.mlir, ripple.mlirbc, ripple.npz, and for firmware ripple_signals.bin and ripple_values.bin.
"""

import jax
import jax.numpy as jnp
import numpy as np

from export import HERE, export

SAMPLES = 64
CASES = 16


def median(x, window):
    """The median of each sample and its neighbours; the ends are repeated."""
    assert window == 3
    padded = jnp.concatenate([x[:1], x, x[-1:]])
    a, b, c = padded[:-2], padded[1:-1], padded[2:]
    return jnp.maximum(jnp.minimum(a, b), jnp.minimum(jnp.maximum(a, b), c))


median3 = jax.lax.composite(median, name="board.median3")


def ripple(x):
    """Mean, root mean square about it, and largest distance from it."""
    y = median3(x, window=np.int64(3))
    mean = jnp.mean(y)
    z = y - mean
    return jnp.stack([mean, jnp.sqrt(jnp.mean(z * z)), jnp.max(jnp.abs(z))])


def signals():
    rng = np.random.default_rng(1)
    time = np.arange(SAMPLES)
    rows = []
    for _ in range(CASES):
        level, size, period = rng.uniform(3.2, 3.4), rng.uniform(0.01, 0.1), rng.uniform(6, 20)
        x = level + size * np.sin(2 * np.pi * time / period) + rng.normal(0, 0.002, SAMPLES)
        x[rng.choice(np.arange(0, SAMPLES, 4), 3, replace=False)] += rng.choice([-1, 1], 3) * rng.uniform(1, 3)
        rows.append(x.astype(np.float32))
    return np.stack(rows)


def main():
    x = signals()
    export("ripple", ripple, [x])
    values = np.load(HERE / "ripple.npz")["out0"]
    (HERE / "ripple_signals.bin").write_bytes(x.astype("<f4").tobytes())
    (HERE / "ripple_values.bin").write_bytes(values.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
