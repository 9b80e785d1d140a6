"""One file per runtime, the same class shape in each."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Runner(Protocol):
    """A model with its weights on a device, ready to compute logits."""

    runtime: str
    device: str
    # what of the model was not compared, or was run otherwise than it would be elsewhere
    notes: tuple[str, ...]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of `batch`, (N, 3, H, W) float32."""
        ...

    def takes(self, size_px: int) -> bool:
        """Whether the input may be of this size."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what computed: versions of the packages, precision flags, environment."""
        ...
