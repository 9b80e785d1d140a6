"""Arrays on disk: written once, read one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np


class Spool(Mapping[str, np.ndarray]):
    """Arrays by name in a temporary folder, which goes with the last reference to the spool.

    What is read is mapped from its file.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="triport-")
        self._files: dict[str, Path] = {}
        for name, array in (arrays or {}).items():
            self.put(name, array)

    def __getitem__(self, name: str) -> np.ndarray:
        return np.load(self._files[name], mmap_mode="r", allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def put(self, name: str, array: np.ndarray) -> None:
        """Write an array."""
        path = Path(self._folder.name, f"{len(self._files)}.npy")
        np.save(path, array, allow_pickle=False)
        self._files[name] = path

    def alias(self, name: str, other: str) -> None:
        """Call the array `other` also `name`."""
        self._files[name] = self._files[other]
