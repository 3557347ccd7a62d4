"""Trains and exports a detector of unusual vibrations of a machine.

    pip install -r requirements.txt
    python vibration.py

An accelerometer on a motor is sampled 400 times a second; this script makes up what it measures. A
healthy motor turns at 20 to 28 Hz, with harmonics of that; one with a damaged bearing has knocks
besides, at a frequency of its own. The network only ever sees healthy motors: an autoencoder of
log spectra, whose error tells what is unlike them.

Writes vibration.stablehlo.mlir, vibration.mlirbc and vibration.npz, and for firmware
vibration_signal.bin (40 windows of 32 samples of 3 little-endian i16, of a motor whose bearing
fails behind the first 24) and vibration_scores.bin (40 f32, which JAX computes of them; above 1 is
unusual).
"""

import jax
import jax.numpy as jnp
import numpy as np

from export import HERE, export
from training import adam, dense

RATE_HZ, SAMPLES, AXES, COUNTS_PER_G = 400, 32, 3, 256
CODE, BINS = 10, SAMPLES // 2
STEPS, BATCH, HEALTHY, DAMAGED = 1500, 128, 24, 16
rng = np.random.default_rng(11)
HANN = np.hanning(SAMPLES + 1)[:-1].astype(np.float32)


def motor(windows, damage):
    """Counts of consecutive windows, N x SAMPLES x AXES; `damage` is the strength of knocks in g."""
    time = np.arange(windows * SAMPLES) / RATE_HZ
    turn = rng.uniform(20, 28)
    x = np.zeros((len(time), AXES))
    for harmonic, strength in [(1, 0.3), (2, 0.15), (3, 0.08)]:
        phase = rng.uniform(0, 2 * np.pi, AXES)
        wave = np.sin(2 * np.pi * harmonic * turn * time[:, None] + phase)
        x += strength * wave * np.array([1.0, 0.8, 0.4]) * rng.uniform(0.9, 1.1)
    knocks = (time * turn * 3.6) % 1 / (turn * 3.6)
    ring = np.exp(-knocks * 150) * np.sin(2 * np.pi * 140 * knocks)
    x += damage * ring[:, None] * np.array([0.6, 1.0, 0.5])
    x += 0.02 * rng.standard_normal(x.shape) + np.array([0, 0, 1.0])
    return np.round(x * COUNTS_PER_G).astype(np.int16).reshape(windows, SAMPLES, AXES)


def features(counts):
    """Log spectra, N x (AXES * BINS), of counts, N x SAMPLES x AXES; the mean, which is gravity, is left out."""
    x = counts.astype(jnp.float32) * (1 / COUNTS_PER_G)
    x = (x - jnp.mean(x, axis=1, keepdims=True)) * HANN[:, None]
    spectrum = jnp.fft.rfft(jnp.swapaxes(x, 1, 2))[:, :, 1:]
    power = spectrum.real**2 + spectrum.imag**2
    return jnp.log(power + 1e-2).reshape(len(x), -1)


def initial(key):
    k = jax.random.split(key, 4)
    width = AXES * BINS
    return [dense(k[0], width, 24), dense(k[1], 24, CODE), dense(k[2], CODE, 24), dense(k[3], 24, width)]


def error(params, x):
    """Mean squared error of each row of features."""
    y = x
    for i, (w, b) in enumerate(params):
        y = y @ w + b
        y = y if i == len(params) - 1 else jnp.tanh(y)
    return jnp.mean((y - x) ** 2, axis=1)


def main():
    normal = np.concatenate([motor(8, 0) for _ in range(400)])
    x = np.asarray(jax.jit(features)(normal))

    def batches(_):
        return (x[rng.integers(0, len(x), BATCH)],)

    params = adam(lambda p, x: jnp.mean(error(p, x)), initial(jax.random.key(5)), batches, STEPS, 4e-3)
    limit = float(np.quantile(np.asarray(error(params, x)), 0.999)) * 1.3

    def vibration(counts):
        """How unlike healthy motors a window is: above 1 it is unusual."""
        return error(params, features(counts[None]))[0] / limit

    signal = np.concatenate([motor(HEALTHY, 0), motor(DAMAGED, 0.5)])
    scores = np.asarray(jax.jit(jax.vmap(vibration))(signal))
    print(f"healthy at most {scores[:HEALTHY].max():.2f}, damaged at least {scores[HEALTHY:].min():.2f}")
    if not scores[:HEALTHY].max() < 1 < scores[HEALTHY:].min():
        raise SystemExit("training went wrong: healthy and damaged should lie on the sides of 1")
    export("vibration", vibration, [signal[HEALTHY - 4 : HEALTHY + 4]])
    (HERE / "vibration_signal.bin").write_bytes(signal.astype("<i2").tobytes())
    (HERE / "vibration_scores.bin").write_bytes(scores.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
