"""A side that is run with other inputs and other parameters, while a few values are kept as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from triport.reference_models.modules import parts_of

from .correspondence import is_frameworks_own, watched_parts
from .observed import Call, every_part, observe
from .pieces import key_of
from .proof import feed_of
from .returned import Returned, Source
from .sides import Side

# every value by another factor: code may use the direction of a vector alone; a variance stays one
_FACTORS = np.random.default_rng(0).uniform(0.6, 0.9, 997).astype(np.float32)


class _EnoughError(BaseException):
    """Ends a run whose rest says nothing; users' code that catches exceptions must not catch it."""


class Changed:
    """A side that is run with other inputs and other parameters."""

    def __init__(self, side: Side, feed: Sequence[np.ndarray]) -> None:
        self.side, self._feed = side, feed
        # a layer that calls its activation returns what it hands to that, as where sides are compared
        self.parts = {**every_part(side), **watched_parts(side)}
        # those of no known layer: code computes with them
        vectors = [
            name for name, one in side.parameters.items() if one.leaf is None and len(key_of(one.shape)) <= 1
        ]
        self.vectors: dict[Source, np.ndarray] = {
            name: np.array(value) for name, value in side.values(vectors).items()
        }
        self._others = [
            other if array.dtype.kind == "f" else array
            for array, other in zip(feed, feed_of(side, 1), strict=True)
        ]
        self._run: Returned | None = None
        # while the parameters have other values
        self._own: dict[str, np.ndarray] = {}
        self._innermost = {part.path for part in parts_of(side.net) if part.leaf}
        # the parameters in each module
        self._inside: dict[str, set[str]] = {path: set() for path in self.parts}
        for name, one in side.parameters.items():
            steps = one.owner.split(".")
            for length in range(1, len(steps) + 1):
                self._inside.setdefault(".".join(steps[:length]), set()).add(name)

    def has_inside(self, path: str) -> bool:
        """Whether a module has others inside that are watched too."""
        return any(one.startswith(f"{path}.") for one in self.parts)

    def run(self, found: Returned) -> Returned:
        """Run the side with nothing changed, note in `found` what each module returns, and know it."""

        def given(path: str, number: int, arrays: list[np.ndarray]) -> None:
            found.begin(path, number)

        observe(self.side, self._feed, self.parts, given, found.note, bare=found.bare)
        self.knows(found)
        return found

    def knows(self, run: Returned) -> None:
        """Spare in other runs what need not be computed, as this one shows."""
        self._run = run

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Let the parameters have other values."""
        self._own = {name: np.array(value) for name, value in self.side.values().items()}
        try:
            self._change(self._own)
            yield
        finally:
            self.side.set_values(self._own)
            self._own = {}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let the parameters have their own values again for a while."""
        try:
            self.side.set_values(self._own)
            yield
        finally:
            self._change(self._own)

    def _change(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in values.items():
            self.side.set_values({name: value * np.resize(_FACTORS, value.shape)})

    def given(self, call: Call, kept: Mapping[Source, np.ndarray]) -> np.ndarray | None:
        """Return what a module is given in a call while sources have these values.

        None where it is given several tensors, or is not called. Modules whose results are kept, or come
        before all that is kept, or are made with changed parameters, are not run.
        """
        return self._given(call, kept, lambda path: not self._inside[path] <= kept.keys())

    def _given(
        self, call: Call, kept: Mapping[Source, np.ndarray], differs: Callable[[str], bool]
    ) -> np.ndarray | None:
        skipped = {} if self._run is None else self._run.skipped(call, kept, differs)
        found: list[np.ndarray] = []

        def given(at: str, count: int, arrays: list[np.ndarray]) -> None:
            if (at, count) == call:
                found.extend(arrays)
                raise _EnoughError

        def returned(at: str, count: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            return [kept[at, count]] if (at, count) in kept and len(arrays) == 1 else None

        inputs = [kept.get(place, array) for place, array in enumerate(self._others)]
        paths = {call[0], *(one[0] for one in (*kept, *skipped) if isinstance(one, tuple))}
        parts = {at: part for at, part in self.parts.items() if at in paths}
        vectors = {one: array for one, array in kept.items() if isinstance(one, str)}
        try:
            self.side.set_values(vectors)
            observe(self.side, inputs, parts, given, returned, skipped)
        except _EnoughError:
            pass
        finally:
            self._change({one: self.vectors[one] for one in vectors})
        return found[0] if len(found) == 1 else None

    def follow_each_other(self, one: Call, other: Call) -> bool:
        """Whether what one of two calls returns changes what the other is given: not side by side."""
        return self._reaches(one, other) or self._reaches(other, one)

    def _reaches(self, source: Call, target: Call) -> bool:
        found: list[list[np.ndarray]] = []
        parts = {at: part for at, part in self.parts.items() if at in (source[0], target[0])}

        def given(at: str, count: int, arrays: list[np.ndarray]) -> None:
            if (at, count) == target:
                found.append([np.array(one) for one in arrays])

        for factor in (1.0, 0.75):

            def returned(
                at: str, count: int, arrays: list[np.ndarray], factor: float = factor
            ) -> list[np.ndarray] | None:
                if (at, count) != source:
                    return None
                return [(one * factor).astype(one.dtype) for one in arrays]

            observe(self.side, self._feed, parts, given, returned)
        return any(not np.array_equal(one, two, equal_nan=True) for one, two in zip(*found, strict=True))

    def forget(self, call: Call) -> None:
        """Run all that comes before a call with nothing kept.

        What is not run in some runs may have left what it computed in another where code finds it, besides
        returning it. After this run all of that is made of changed values. Layers of the framework's own
        leave nothing.
        """
        self._given(call, {}, lambda path: bool(self._inside[path]) and self._leaves_nothing(path))

    def _leaves_nothing(self, path: str) -> bool:
        module = self.parts[path].module
        is_patched = bool({"forward", "construct"} & vars(module).keys())
        return path in self._innermost and is_frameworks_own(module) and not is_patched
