"""What the modules of a side returned in a run, and which calls need not be computed in another."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .distinct import Distinct
from .observed import Call, Skipped

# what a call returned, an input, by its place, or a vector of the network's own, by its name
Source = Call | int | str
# every value is another, of the same sign and size; what code makes of them stays as far as it can
_FACTORS = np.random.default_rng(1).uniform(0.6, 0.9, 991)


class Returned:
    """The calls of one run in order, and what each returned that returned one tensor.

    Attributes:
        returned: by the call.
        bare: the calls that returned a tensor and nothing around it.
    """

    def __init__(self, distinct: Distinct | None = None) -> None:
        self.returned: dict[Source, np.ndarray] = {}
        self.bare: set[Call] = set()
        self._distinct = distinct or Distinct()
        self._order: list[Call] = []
        self._places: dict[Source, int] = {}
        self._ended: dict[Source, int] = {}

    def begin(self, path: str, number: int) -> None:
        """Note that a module is called."""
        self._places[path, number] = len(self._order)
        self._order.append((path, number))

    def note(self, path: str, number: int, arrays: Sequence[np.ndarray]) -> None:
        """Note what a module returns."""
        self._ended[path, number] = len(self._order)
        if len(arrays) == 1 and arrays[0].dtype.kind == "f":
            self.returned[path, number] = self._distinct(arrays[0])

    def before(self, call: Call) -> dict[Source, np.ndarray]:
        """Return what was returned before a module was called."""
        called = self._places[call]
        return {one: array for one, array in self.returned.items() if self._ended[one] <= called}

    def skipped(
        self, call: Call, kept: Mapping[Source, np.ndarray], differs: Callable[[str], bool]
    ) -> dict[Call, Skipped]:
        """Return the outermost calls that need not be computed for what a module is given.

        What is kept is known. What was returned before all that is kept, and what another module returns
        than in this run, may be anything: it is to be shown that nothing hangs on it.

        Args:
            call: of the module.
            kept: the values that sources have; an input or a vector is used from the start on.
            differs: whether a module, by its path, has other parameters than in this run.
        """
        known = sorted(self._places[one] for one in kept if isinstance(one, tuple))
        first = known[0] if known and len(known) == len(kept) else 0
        found: dict[Call, Skipped] = {}
        called, past = self._places[call], 0
        for place, one in enumerate(self._order[:called]):
            if place < past or one not in self.bare or one not in self.returned:
                continue
            end = self._ended[one]
            if one in kept:
                value = kept[one].astype(self.returned[one].dtype)
            elif end > called or bisect(known, end - 1) > bisect(known, place):
                # what is asked for, or kept, is inside it
                continue
            elif end <= first or differs(one[0]):
                value = _another(self.returned[one])
            else:
                continue
            past = end
            found[one] = Skipped(value, Counter(path for path, _ in self._order[place + 1 : end]))
        return found


def _another(array: np.ndarray) -> np.ndarray:
    """Return other values for those that a module returned."""
    factors = np.resize(_FACTORS.astype(array.dtype), array.size)
    factors *= array.reshape(-1)[::-1]
    return factors.reshape(array.shape)
