"""Which module is given what another returned: seen by the values, in one run."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from triport.reference_models.kinds import KINDS
from triport.reference_models.kinds.kind import Kind

from .correspondence import watched_parts
from .observed import observe
from .sides import Side


class Calls:
    """What the modules of some kinds are given and return, of those that are called once.

    Attributes:
        parts: the modules by path.
        given: a digest of what each is given, in the order of calls.
        returned: and of what it returns.
    """

    def __init__(self, side: Side, feed: Sequence[np.ndarray], kinds: Collection[Kind]) -> None:
        self.parts = {path: part for path, part in watched_parts(side).items() if part.kind in kinds}
        self.given: dict[str, bytes] = {}
        self.returned: dict[str, bytes] = {}
        calls = Counter[str]()

        def given(path: str, number: int, arrays: list[np.ndarray]) -> None:
            calls[path] += 1
            self.given[path] = _digest(arrays)

        def returned(path: str, number: int, arrays: list[np.ndarray]) -> None:
            self.returned[path] = _digest(arrays)

        observe(side, feed, self.parts, given, returned)
        for path, count in calls.items():
            if count > 1:
                del self.given[path], self.returned[path]

    def norms_behind(self) -> dict[str, str]:
        """Return the norm that is given what a layer returned, by the layer's path."""
        norms = {given: path for path, given in self.given.items() if self.parts[path].kind is KINDS["norm"]}
        return {
            path: norms[returned]
            for path, returned in self.returned.items()
            if self.parts[path].kind is not KINDS["norm"] and returned in norms
        }


def _digest(arrays: Sequence[np.ndarray]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(str(array.shape).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.digest()
