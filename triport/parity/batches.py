"""Batches of images, made once in NumPy and handed to every runtime, and the logits of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from triport.converters.onnx_export.written_model import INPUT, LOGITS
from triport.reference_models.network import Arrays
from triport.reference_models.spec import ModelSpec

DEFAULT_BATCH_SIZE = 2


class RunsModel(Protocol):
    """Whatever runs a registered model."""

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        ...


def random_batch(
    spec: ModelSpec,
    batch_size: int = DEFAULT_BATCH_SIZE,
    seed: int | list[int] = 0,
    size_px: int | None = None,
) -> np.ndarray:
    """Return (batch_size, 3, size, size) float32, N(0, 1); the model's own input size by default."""
    size = spec.input_size_px if size_px is None else size_px
    return np.random.default_rng(seed).standard_normal((batch_size, 3, size, size)).astype(np.float32)


def logits_of(runner: RunsModel, images: np.ndarray) -> np.ndarray:
    """Return what a registered model computes on images: logits (N, classes)."""
    return runner.run({INPUT: images})[LOGITS]
