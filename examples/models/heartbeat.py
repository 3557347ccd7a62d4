"""Trains and exports a streaming detector of heartbeats.

    pip install -r requirements.txt
    python heartbeat.py

The signal is an electrocardiogram that this script makes up: at 100 Hz a sharp wave per beat, a
slow one behind it, a drifting baseline and noise. The network is a causal convolution, whose last
samples are a state, and a gated recurrent unit, whose output is another: it takes 10 samples at a
time and says whether a beat is among them.

Writes heartbeat.stablehlo.mlir, heartbeat.mlirbc and heartbeat.npz (8 calls, one after the other),
and for firmware heartbeat_signal.bin (160 x 10 little-endian f32) and heartbeat_scores.bin (160
f32): what the network says of that signal as a whole, where nothing is a state.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from export import HERE, export
from training import adam, dense

RATE_HZ, HOP, TAPS, CHANNELS, UNITS = 100, 10, 9, 6, 12
CALLS, STEPS, BATCH = 160, 400, 32
rng = np.random.default_rng(7)


def signal(calls):
    """A signal, and for each hop whether a beat is in it."""
    time = np.arange(calls * HOP) / RATE_HZ
    x, beats = np.zeros_like(time), np.zeros(calls, np.float32)
    pace, at = rng.uniform(0.6, 1.1), rng.uniform(0, 0.8)
    while at < time[-1]:
        x += np.exp(-(((time - at) / 0.012) ** 2)) * rng.uniform(0.8, 1.2)
        x += 0.3 * np.exp(-(((time - at - 0.22) / 0.05) ** 2))
        beats[int(at * RATE_HZ) // HOP] = 1
        at += pace * rng.uniform(0.85, 1.15)
    drift = 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time + rng.uniform(0, 6))
    return (x + drift + 0.12 * rng.standard_normal(len(x))).astype(np.float32), beats


def initial(key):
    keys = jax.random.split(key, 4)
    return {
        "conv": dense(keys[0], TAPS, 1, CHANNELS),
        "in": dense(keys[1], HOP * CHANNELS, 3 * UNITS),
        "state": dense(keys[2], UNITS, 3 * UNITS)[0],
        "out": dense(keys[3], UNITS, 1),
    }


def conv(params, x):
    """Samples, 1 x N, to features, 1 x (N - TAPS + 1) x CHANNELS."""
    w, b = params["conv"]
    dims = ("NHC", "HIO", "NHC")
    y = lax.conv_general_dilated(x[..., None], w, (1,), "VALID", dimension_numbers=dims)
    return jax.nn.relu(y + b)


def unit(params, features, h):
    """A step of the gated recurrent unit: features of a hop, 1 x HOP x CHANNELS."""
    w, b = params["in"]
    xz, xr, xn = jnp.split(features.reshape(1, -1) @ w + b, 3, axis=-1)
    hz, hr, hn = jnp.split(h @ params["state"], 3, axis=-1)
    z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
    return (1 - z) * jnp.tanh(xn + r * hn) + z * h


def score(params, h):
    w, b = params["out"]
    return h @ w + b


def whole(params, x):
    """Scores of a whole signal."""
    features = conv(params, jnp.concatenate([jnp.zeros((1, TAPS - 1)), x[None]], axis=1))
    hops = features.reshape(-1, 1, HOP, CHANNELS)

    def step(h, hop):
        h = unit(params, hop, h)
        return h, score(params, h)

    return lax.scan(step, jnp.zeros((1, UNITS)), hops)[1].reshape(-1)


def stream(params):
    """The function that is exported: samples, the last samples before them, the unit's state."""

    def heartbeat(x, tail, h):
        x = jnp.concatenate([tail, x], axis=1)
        h = unit(params, conv(params, x), h)
        return score(params, h), x[:, HOP:], h

    return heartbeat


def loss(params, x, y):
    logits = jax.vmap(whole, (None, 0))(params, x)
    # Beats are rare, so one that is missed counts for three.
    return jnp.mean((1 - y) * jnp.logaddexp(0, logits) + 3 * y * jnp.logaddexp(0, -logits))


def batches(_):
    return tuple(np.stack(part) for part in zip(*(signal(40) for _ in range(BATCH))))


def main():
    params = adam(loss, initial(jax.random.key(1)), batches, STEPS, 6e-3)
    x, beats = signal(CALLS)
    scores = np.asarray(jax.jit(whole)(params, x))
    right = np.mean((scores > 0) == (beats > 0.5))
    print(f"{right:.3f} of {CALLS} hops right, {int(beats.sum())} beats")
    if right < 0.95:
        raise SystemExit("training went wrong: at least 0.95 should be right")
    step = stream(params)
    state = tuple(np.zeros((1, n), np.float32) for n in (TAPS - 1, UNITS))
    cases = []
    for hop in x[: 8 * HOP].reshape(8, 1, HOP):
        cases.append((hop, *state))
        state = tuple(np.asarray(s) for s in step(hop, *state)[1:])
    export("heartbeat", step, [np.stack(column) for column in zip(*cases)])
    (HERE / "heartbeat_signal.bin").write_bytes(x.astype("<f4").tobytes())
    (HERE / "heartbeat_scores.bin").write_bytes(scores.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
