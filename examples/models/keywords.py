"""Trains and exports a small keyword spotter: a front end for 16-bit audio, and a network.

    pip install -r requirements.txt
    python keywords.py
    microhlo quantize keywords_net.stablehlo.mlir --calibrate keywords_net.npz --io int8 \\
        -o keywords_int8.stablehlo.mlir

This script makes up the words, as a simple speech synthesiser would: a pulse train through two
moving formants for what is voiced, noise for what is not. Each speaker has another pitch, pace and
vocal tract, each recording another loudness and background.

Writes two programs. keywords_frontend takes 160 samples at a time (20 ms at 8 kHz) and gives a row
of 20 log-mel energies; the 96 samples before are a state. keywords_net says from 25 rows which word
they hold, if any. For firmware: keywords_clip.bin (16-bit samples), keywords_labels.bin (per word
in it the hop that it begins at, two bytes, and the class, two bytes), keywords_rows.bin (the rows
that JAX computes of the clip, little-endian f32).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from export import HERE, export
from training import adam, cross_entropy, dense

RATE_HZ, HOP, WINDOW, MELS, ROWS = 8000, 160, 256, 20, 25
CLASSES = ["silence", "go", "yes", "seven", "no"]
STEPS, BATCH, SPEECH, HOPS = 600, 64, 2400, 180
rng = np.random.default_rng(3)

# Pieces of a word: seconds, first and second formant in Hz at start and end, share of noise.
WORDS = {
    "go": [(0.05, 300, 1400, 400, 1100, 0.1), (0.22, 450, 1000, 350, 800, 0.0)],
    "yes": [
        (0.08, 280, 2250, 500, 1900, 0.0),
        (0.10, 530, 1840, 530, 1840, 0.0),
        (0.14, 3200, 3600, 3200, 3600, 1.0),
    ],
    "seven": [
        (0.09, 3300, 3700, 3300, 3700, 1.0),
        (0.09, 530, 1840, 500, 1500, 0.0),
        (0.06, 300, 1200, 400, 1300, 0.3),
        (0.12, 450, 1400, 250, 1200, 0.0),
    ],
    "no": [(0.10, 250, 1300, 300, 1200, 0.0), (0.20, 500, 950, 350, 750, 0.0)],
}


def resonator(x, frequency, width):
    """Samples through a resonance, whose frequency changes from sample to sample."""
    r = np.exp(-np.pi * width / RATE_HZ)
    a1, y = 2 * r * np.cos(2 * np.pi * frequency / RATE_HZ), np.zeros(len(x) + 2)
    for i in range(len(x)):
        y[i + 2] = x[i] + a1[i] * y[i + 1] - r * r * y[i]
    return y[2:] * (1 - r)


def speak(word):
    """A word as one speaker says it, with a loudness of 1."""
    tract, pace, pitch = rng.uniform(0.88, 1.15), rng.uniform(0.85, 1.2), rng.uniform(90, 230)
    pieces = []
    for seconds, f1, f2, g1, g2, noise in WORDS[word]:
        n = int(seconds * pace * rng.uniform(0.9, 1.1) * RATE_HZ)
        phase = np.cumsum(np.full(n, pitch / RATE_HZ) * np.linspace(1.05, 0.95, n))
        voice = np.diff(np.floor(phase), prepend=0.0) * 8
        source = (1 - noise) * voice + noise * rng.standard_normal(n)
        first = resonator(source, np.linspace(f1, g1, n) * tract, 90)
        second = resonator(source, np.minimum(np.linspace(f2, g2, n) * tract, 3800), 130)
        piece = first + 0.7 * second
        pieces.append(piece / (np.sqrt(np.mean(piece**2)) + 1e-9) * np.hanning(n + 40)[20:-20] ** 0.3)
    return np.concatenate(pieces)


def background(n):
    """Noise, white or low, and now and then a hum."""
    noise = rng.standard_normal(n)
    if rng.random() < 0.5:
        noise = np.convolve(noise, np.ones(6) / 2.5, "same")
    hum = np.sin(2 * np.pi * rng.uniform(50, 400) * np.arange(n) / RATE_HZ)
    return noise + rng.choice([0, 0, 1.5]) * hum


def pcm(x):
    return np.clip(np.round(x), -32768, 32767).astype(np.int16)


def mel_weights():
    """Triangles at equal distances in mel, from the 129 bins of a spectrum: 129 x MELS."""
    mel = lambda f: 2595 * np.log10(1 + f / 700)
    edges = np.interp(np.linspace(mel(100), mel(3900), MELS + 2), mel(np.arange(4001)), np.arange(4001))
    bins = np.arange(WINDOW // 2 + 1)[:, None] * RATE_HZ / WINDOW
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((bins - left) / (peak - left), (right - bins) / (right - peak))
    return np.maximum(weights, 0).astype(np.float32)


MEL, HANN = mel_weights(), np.hanning(WINDOW + 1)[:-1].astype(np.float32)


def energies(frames):
    """Log-mel energies, N x MELS, of windows of 16-bit samples, N x WINDOW."""
    spectrum = jnp.fft.rfft(frames.astype(jnp.float32) * (HANN / 32768))
    power = spectrum.real**2 + spectrum.imag**2
    return jnp.log(power @ MEL + 1e-4)


def frontend(hop, tail):
    """A row of energies from HOP samples and those before them, and the samples before the next."""
    window = jnp.concatenate([tail, hop])
    return energies(window[None]), window[HOP:]


def rows(clip):
    """All rows of energies of a clip, as the front end gives them hop by hop."""
    padded = jnp.concatenate([jnp.zeros(WINDOW - HOP, jnp.int16), jnp.asarray(clip)])
    starts = np.arange(len(clip) // HOP) * HOP
    return energies(padded[starts[:, None] + np.arange(WINDOW)])


def recording(words):
    """Energies, N x ROWS x MELS, of recordings that hold a word each, or none."""
    clips = []
    for word in words:
        n = ROWS * HOP
        clip = background(n) * 10 ** rng.uniform(1.0, 2.2)
        if word != "silence":
            spoken = speak(word)[: n - 1] * 10 ** rng.uniform(3.2, 3.9)
            # The end of the word is in the last part of the window.
            at = n - len(spoken) - rng.integers(0, min(n - len(spoken), 6 * HOP) + 1)
            clip[at : at + len(spoken)] += spoken
        elif rng.random() < 0.6:
            # The beginning or the end of a word is none yet, or any more.
            spoken = speak(rng.choice(CLASSES[1:])) * 10 ** rng.uniform(3.2, 3.9)
            part = int(len(spoken) * rng.uniform(0.1, 0.35))
            clip[:part] += spoken[-part:]
            clip[n - part :] += spoken[:part] * rng.integers(0, 2)
        clips.append(pcm(clip))
    return np.asarray(jax.jit(jax.vmap(rows))(np.stack(clips)))


def conv(x, layer, stride=1, groups=1):
    w, b = layer
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, w, (stride, stride), "SAME", dimension_numbers=dims, feature_group_count=groups
    )
    return jax.nn.relu(y + b)


def net(params, x):
    """Logits, N x classes, of energies, N x ROWS x MELS x 1: a depthwise separable network."""
    x = conv(x * 0.15, params["conv"], 2)
    for depthwise, pointwise in params["blocks"]:
        x = conv(conv(x, depthwise, groups=x.shape[-1]), pointwise)
    w, b = params["dense"]
    return jnp.mean(x, axis=(1, 2)) @ w + b


def initial(key):
    k = jax.random.split(key, 6)
    block = lambda a, b, n, m: (dense(a, 3, 3, 1, n), dense(b, 1, 1, n, m))
    return {
        "conv": dense(k[0], 5, 4, 1, 16),
        "blocks": [block(k[1], k[2], 16, 24), block(k[3], k[4], 24, 32)],
        "dense": dense(k[5], 32, len(CLASSES)),
    }


def clip():
    """A recording with words at known places: samples, and hop and class of each."""
    said = ["yes", "no", "go", "seven", "no"]
    x, words = background(HOPS * HOP) * 40, []
    for i, word in enumerate(said):
        spoken, at = speak(word) * 4000, 8 + 35 * i
        x[at * HOP : at * HOP + len(spoken)] += spoken
        words.append((at, CLASSES.index(word)))
    return pcm(x), np.array(words, "<u2")


def listen(params, every):
    """The words that the firmware hears: hop and class. It asks the network at every second hop, takes what that
    says three times in a row for a word, and then listens for the next one after half a second."""
    heard, last, times, deaf = [], 0, 0, 0
    for hop in range(ROWS, len(every) + 1, 2):
        window = every[hop - ROWS : hop][None, ..., None]
        word = int(jnp.argmax(net(params, window)))
        times, last = (times + 1 if word == last else 1), word
        if word != 0 and times >= 3 and hop >= deaf:
            heard.append((hop, word))
            deaf = hop + ROWS
    return heard


def main():
    labels = rng.integers(0, len(CLASSES), SPEECH)
    x = recording([CLASSES[i] for i in labels])[..., None]
    x, y, x_test, y_test = x[:-300], labels[:-300], x[-300:], labels[-300:]

    def batches(_):
        batch = rng.integers(0, len(x), BATCH)
        return x[batch], y[batch]

    loss = lambda params, x, y: cross_entropy(net(params, x), y)
    params = adam(loss, initial(jax.random.key(2)), batches, STEPS, 4e-3)
    accuracy = float(jnp.mean(jnp.argmax(net(params, x_test), axis=1) == y_test))
    print(f"test accuracy {accuracy:.4f} on {len(x_test)} recordings")
    if accuracy < 0.93:
        raise SystemExit("training went wrong: the accuracy should be at least 0.93")
    samples, words = clip()
    hops = samples[: 16 * HOP].reshape(-1, HOP)[8:16]
    tails = np.stack([samples[(8 + i) * HOP - 96 : (8 + i) * HOP] for i in range(8)])
    export("keywords_frontend", frontend, [hops, tails])
    # Typical inputs of each class, which the quantiser takes its ranges from too.
    shown = np.concatenate([np.flatnonzero(y_test == i)[:4] for i in range(len(CLASSES))])
    export("keywords_net", lambda x: net(params, x), [x_test[shown][:, None]])
    (HERE / "keywords_clip.bin").write_bytes(samples.astype("<i2").tobytes())
    (HERE / "keywords_labels.bin").write_bytes(words.tobytes())
    every = np.asarray(rows(samples))
    (HERE / "keywords_rows.bin").write_bytes(every.astype("<f4").tobytes())
    heard = listen(params, every)
    print(f"said {words.tolist()}, heard {heard}")
    if [word for _, word in heard] != [word for _, word in words.tolist()]:
        raise SystemExit("the words of the clip should be heard, and no others")


if __name__ == "__main__":
    main()
