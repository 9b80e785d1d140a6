"""One sample input and its logits, by which anyone can tell whether a file still computes the same."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from triport.reference_models.spec import Preprocess


def sample_pixels(size_px: int) -> np.ndarray:
    """Return (size, size, 3) uint8: coloured patches with grain, the same on every machine."""
    # RandomState's stream is frozen; the newer generators' may change
    random = np.random.RandomState(0)
    patches = random.randint(24, 232, (7, 7, 3))
    index = np.arange(size_px) * 7 // size_px
    return (patches[index][:, index] + random.randint(-24, 25, (size_px, size_px, 3))).astype(np.uint8)


def normalised(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return the network's input (1, 3, size, size) float32 of pixels (size, size, 3)."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    images = (scaled - np.array(preprocess.mean, np.float32)) / np.array(preprocess.std, np.float32)
    return np.ascontiguousarray(images.transpose(2, 0, 1)[None])


def sample_entry(pixels: np.ndarray, logits: np.ndarray, tolerance: float, reference: str) -> dict[str, Any]:
    """Return the manifest's entry: pixels and the reference's logits, rounded to float32.

    Args:
        pixels: (size, size, 3) uint8.
        logits: (classes,) of the reference.
        tolerance: of a runtime's largest difference, relative to the largest logit.
        reference: what computed the logits.
    """
    return {
        "pixels": {
            "dtype": "uint8",
            "shape": list(pixels.shape),
            "base64": base64.b64encode(pixels.tobytes()).decode(),
        },
        "logits": [float(str(value)) for value in logits.astype(np.float32)],
        "reference": reference,
        "tolerance": tolerance,
    }


def read_sample(entry: Mapping[str, Any], preprocess: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    """Return the input (1, 3, size, size) and the logits (1, classes) of a manifest's entry."""
    pixels = np.frombuffer(base64.b64decode(entry["pixels"]["base64"]), np.uint8)
    images = normalised(pixels.reshape(entry["pixels"]["shape"]), preprocess)
    return images, np.array([entry["logits"]], np.float32)
