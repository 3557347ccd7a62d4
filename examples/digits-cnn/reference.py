"""Writes reference_logits.bin: what JAX computes for the images in ../models.

    pip install -r ../models/requirements.txt
    python reference.py

One row of 10 little-endian f32 per image, taken from ../models/digits_cnn.npz.
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

logits = np.load(HERE / "../models/digits_cnn.npz")["out0"]
(HERE / "reference_logits.bin").write_bytes(logits.reshape(-1, 10).astype("<f4").tobytes())
