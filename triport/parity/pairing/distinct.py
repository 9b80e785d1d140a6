"""Arrays of which equal ones are held once: what a module returns is most often what the next is given."""

from __future__ import annotations

import hashlib

import numpy as np


class Distinct:
    """Gives back, for an array, the first that was equal to it. None of them may be changed afterwards."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[int, ...], str, bytes], np.ndarray] = {}

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Return the array, or the one with the same values that is held already."""
        found = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest()
        return self._kept.setdefault((array.shape, array.dtype.str, found), array)
