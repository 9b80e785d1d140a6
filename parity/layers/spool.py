"""Activations on disk: written once, read one at a time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np


class Spool:
    """Arrays by name in a temporary folder, which goes with the last reference to the spool."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="triport-layers-")
        self._files: dict[str, Path] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def put(self, name: str, array: np.ndarray) -> None:
        """Write an array."""
        path = Path(self._folder.name, f"{len(self._files)}.npy")
        np.save(path, array, allow_pickle=False)
        self._files[name] = path

    def alias(self, name: str, other: str) -> None:
        """Call the array `other` also `name`."""
        self._files[name] = self._files[other]

    def get(self, name: str) -> np.ndarray:
        """Return the array, mapped from its file."""
        return np.load(self._files[name], mmap_mode="r", allow_pickle=False)
