"""A side that is run with other inputs and other parameters, while a few values are kept as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from .correspondence import watched_parts
from .observed import Returned, Source, every_part, observe
from .proof import feed_of
from .sides import Side

_CHANGE = 0.8


class _EnoughError(BaseException):
    """Ends a run whose rest says nothing; users' code that catches exceptions must not catch it."""


class Changed:
    """A side that is run with other inputs and other parameters."""

    def __init__(self, side: Side, feed: Sequence[np.ndarray]) -> None:
        self.side, self._feed = side, feed
        # a layer that calls its activation returns what it hands to that, as where sides are compared
        self.parts = {**every_part(side), **watched_parts(side)}
        self._others = [
            other if array.dtype.kind == "f" else array
            for array, other in zip(feed, feed_of(side, 1), strict=True)
        ]

    def returned(self) -> dict[Source, np.ndarray]:
        """Return what each module returns, with nothing changed, that returns one tensor in one call."""
        found = Returned()
        observe(self.side, self._feed, self.parts, found.note_given, found.note)
        return found.returned

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Let the parameters have other values."""
        own = {name: np.array(value) for name, value in self.side.values().items()}
        try:
            self.side.set_values({name: value * np.float32(_CHANGE) for name, value in own.items()})
            yield
        finally:
            self.side.set_values(own)

    def given(self, path: str, kept: Mapping[Source, np.ndarray]) -> np.ndarray | None:
        """Return what a module, which is called once, is given while sources keep these values.

        None where it is given several tensors, or is not called.
        """
        found: list[np.ndarray] = []

        def given(at: str, number: int, arrays: list[np.ndarray]) -> None:
            if at == path:
                found.extend(arrays)
                raise _EnoughError

        def returned(at: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            return [kept[at]] if at in kept and len(arrays) == 1 else None

        inputs = [kept.get(place, array) for place, array in enumerate(self._others)]
        parts = {at: part for at, part in self.parts.items() if at == path or at in kept}
        with suppress(_EnoughError):
            observe(self.side, inputs, parts, given, returned)
        return found[0] if len(found) == 1 else None
