"""Code between modules that computes otherwise on both sides: what shows that it may be passed over.

A module of the second side that is given something else than its counterpart is given what that was, where it
is shown, in runs of both sides, that what code makes for the one and for the other

- is made of one value alone, which both sides have: what a module returned, or an input. All else is changed,
  the parameters and the inputs, and it stays;
- keeps the channels of that value apart: with each channel of it times a factor, those of what is made of it
  are times the same factors.

So the code has no parameters, and exchanges nothing that a parameter follows. Of several modules of one size
behind code that is given one value nothing tells which is which: then none of them is passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from triport.reference_models.modules import Part, parameters_of

from .layouts import Shape, close, layout_between
from .observed import Returned, Source, called_with, every_part, observe
from .pieces import Key, key_of
from .proof import feed_of
from .recording import Recorded, Recording
from .sides import Side

# where it is known that channels are the last axis, or the second; of norms over the last axes see below
_CHANNELS_LAST = frozenset({"dense", "layer_norm", "rms_norm"})
_CHANNELS_SECOND = frozenset({"conv", "conv_transposed", "norm", "group_norm", "instance_norm"})
# how many sources in turn are tried of those that code may compute with
_MOST_SOURCES = 3
_CHANGE = 0.8


@dataclass(frozen=True, slots=True)
class Bridged:
    """A module that is given what its counterpart was; `source` is what the first side's code is given."""

    call: Recorded
    path: str
    source: Source


class Gaps:
    """The modules of the second side that are found to be behind code that may be passed over.

    Attributes:
        found: in the order in which they were.
        forced: by path the call of the first side whose input a module is given.
        apart: likewise where that has another shape, so that the module was run on it by itself; in the run
            it goes on with its own, and what both return stands for one value.
    """

    def __init__(self, a: Side, b: Side, feed: Sequence[np.ndarray], recording: Recording) -> None:
        self._sides = _Changed(a, feed), _Changed(b, feed)
        self._recording, self._inputs = recording, dict[Source, np.ndarray](enumerate(feed))
        self._of_a: dict[Source, np.ndarray] = {}
        self._sums: dict[Source, np.ndarray] = {}
        self.found: list[Bridged] = []
        self.forced: dict[str, Recorded] = {}
        self.apart: dict[str, Recorded] = {}

    def bridge(self, call: Recorded, part: Part, run: Returned) -> bool:
        """Whether a module that was given something else than its counterpart may be given that, from now on.

        Args:
            call: of the counterpart.
            part: the module.
            run: what the modules of the second side were given and returned.
        """
        first, second = self._sides
        self._of_a = self._of_a or self._inputs | first.returned()
        self._sums = self._sums or {one: _sums(array) for one, array in self._of_a.items()}
        known = self._inputs | run.before(part.path)
        given = run.given.get(part.path)
        if given is None or call.path not in self._of_a or len(call.given) != 1:
            return False
        gap = _Gap(call, part, given)
        if gap.channels is None:
            return False
        pairs = {one: other for one in known if (other := self._counterpart(gap, one, known)) is not None}
        sizes = _sizes_owned(first.side, call.path)
        for source in second.sources_of(gap, {one: known[one] for one in pairs}):
            of_a, axes = pairs[source]
            if any(
                one.source == of_a and _sizes_owned(first.side, one.call.path) == sizes for one in self.found
            ):
                return False
            if self._keeps_apart(gap, (of_a, source), (self._of_a[of_a], known[source]), axes):
                return self._pass(gap, of_a)
        return False

    def _counterpart(
        self, gap: _Gap, source: Source, known: Mapping[Source, np.ndarray]
    ) -> tuple[Source, Mapping[int, int]] | None:
        """Return the source of the first side with this value, and by its axis there that of the second."""
        value = known[source]
        if isinstance(source, int):
            return source, {axis: axis for axis in range(value.ndim)}
        if source in self.apart:
            call = self.apart[source]
            channels = _Gap(call, self._sides[1].parts[source], value).channels
            return None if channels is None else (call.path, {channels[0]: channels[1]})
        # what the gap makes of it is as noisy as it is
        tolerance = max(gap.call.given_tolerance[0], *self._recording.output_tolerance)
        sums, allowed = _sums(value), 2 * tolerance * float(np.abs(value).max(initial=0.0))
        for path, other in reversed(self._of_a.items()):
            if isinstance(path, int) or other.size != value.size:
                continue
            # layouts are many to look at
            if not np.abs(self._sums[path] - sums).max() <= allowed:
                continue
            layout = layout_between(other, value, tolerance)
            if layout is not None:
                return path, _axes(layout.axes, other.shape, value.shape)
        return None

    def _keeps_apart(
        self,
        gap: _Gap,
        sources: tuple[Source, Source],
        values: tuple[np.ndarray, np.ndarray],
        axes: Mapping[int, int],
    ) -> bool:
        """Whether code on both sides makes of one value, channel by channel, what two modules are given."""
        assert gap.channels is not None
        size = gap.given.shape[gap.channels[1]]
        if gap.call.given[0].shape[gap.channels[0]] != size:
            return False
        factors = np.random.default_rng(size).uniform(0.5, 2, size)
        first, second = self._sides
        made = (
            _times(gap.call.given[0], factors, gap.channels[0]),
            _times(gap.given, factors, gap.channels[1]),
        )
        return any(
            second.makes(gap.part.path, made[1], {sources[1]: _times(values[1], factors, other)}, gap)
            and first.makes(gap.call.path, made[0], {sources[0]: _times(values[0], factors, axis)}, gap)
            for axis, other in axes.items()
            if axis and values[0].shape[axis] == values[1].shape[other] == size
        )

    def _pass(self, gap: _Gap, source: Source) -> bool:
        """Note that a module is passed, unless it returns something else of the same by itself."""
        call, path = gap.call, gap.part.path
        if gap.given.shape == call.given[0].shape:
            self.forced[path] = call
        elif self._returns_alike(gap):
            self.apart[path] = call
        else:
            return False
        self.found.append(Bridged(call, path, source))
        return True

    def _returns_alike(self, gap: _Gap) -> bool:
        """Whether both modules return the same of what the one is given, or of what the other is."""
        call, (first, second) = gap.call, self._sides
        made = called_with(second.side, gap.part, call.given[0].astype(gap.given.dtype))
        own = called_with(second.side, gap.part, gap.given)
        others = called_with(first.side, call.part, gap.given.astype(call.given[0].dtype))
        return any(
            one is not None and other is not None and close(one, other, call.returned_tolerance[0])
            for one, other in ((call.returned[0], made), (others, own))
        )


@dataclass(frozen=True, slots=True)
class _Gap:
    """A call of the first side, the module that is its counterpart, and what this was given."""

    call: Recorded
    part: Part
    given: np.ndarray

    @property
    def channels(self) -> tuple[int, int] | None:
        """The axis of channels of what each is given; None where it is not known."""
        found = _channel_axis(self.call.part, self.call.given[0]), _channel_axis(self.part, self.given)
        return None if None in found else (found[0] or 0, found[1] or 0)


def _channel_axis(part: Part, given: np.ndarray) -> int | None:
    """Return the axis of channels of what a module is given; None where nothing tells."""
    name = None if part.kind is None else part.kind.name
    if given.ndim < 2 or name not in _CHANNELS_LAST | _CHANNELS_SECOND:
        return None
    if name in _CHANNELS_SECOND or name == "dense":
        return 1 if name in _CHANNELS_SECOND else given.ndim - 1
    # a norm over the last axis may be one that transposes an image before
    sizes = {one.shape for one in parameters_of(part.module)}
    axes = {axis for axis in (1, given.ndim - 1) if (given.shape[axis],) in sizes}
    return axes.pop() if len(axes) == 1 else None


def _axes(axes: tuple[int, ...], first: Shape, second: Shape) -> dict[int, int]:
    """Return by axis of one shape that of another, where values lie so; none where axes are flattened."""
    if len(axes) == len(first) == len(second):
        return {axis: place for place, axis in enumerate(axes)}
    found = [[axis for axis, size in enumerate(shape) if size != 1] for shape in (first, second)]
    order = axes or tuple(range(len(found[0])))
    if len(found[0]) != len(found[1]) or len(order) != len(found[0]):
        return {}
    moved = {found[0][axis]: found[1][place] for place, axis in enumerate(order)}
    return moved if all(first[axis] == second[other] for axis, other in moved.items()) else {}


def _sums(array: np.ndarray) -> np.ndarray:
    """Return what is the same of an array in every order of its values."""
    values = np.asarray(array, np.float64)
    return np.array([values.mean(), np.abs(values).mean(), values.max(initial=0.0), values.min(initial=0.0)])


def _times(array: np.ndarray, factors: np.ndarray, axis: int) -> np.ndarray:
    shape = [1] * array.ndim
    shape[axis] = -1
    found: np.ndarray = np.asarray(array, np.float64) * factors.reshape(shape)
    return found


def _sizes_owned(side: Side, path: str) -> list[Key]:
    return sorted(key_of(one.shape) for one in side.parameters.values() if one.owner == path)


class _Changed:
    """A side that is run with other inputs and other parameters."""

    def __init__(self, side: Side, feed: Sequence[np.ndarray]) -> None:
        self.side, self._feed = side, feed
        self.parts = every_part(side)

    def returned(self) -> dict[Source, np.ndarray]:
        """Return what each module returns that returns one tensor and is called once, in order."""
        found = Returned()
        observe(self.side, self._feed, self.parts, found.note_given, found.note)
        return found.returned

    def sources_of(self, gap: _Gap, known: Mapping[Source, np.ndarray]) -> Iterator[Source]:
        """Yield, the nearest first, what code may make of itself alone what a module is given."""
        left = list(known)
        for _ in range(_MOST_SOURCES):
            place = self._last_that_suffice(gap, known, left)
            if place is None:
                return
            yield left[place]
            left = left[:place]

    def _last_that_suffice(
        self, gap: _Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> int | None:
        """Return where the fewest last sources begin that a module is given the same with; None for none."""
        with self._changed() as feed:

            def suffices(first: int) -> bool:
                kept = {one: known[one] for one in sources[first:]}
                made = self._given(gap.part.path, kept, feed)
                return made is not None and close(gap.given, made, gap.call.given_tolerance[0])

            if not sources or not suffices(0):
                return None
            low, high = 0, len(sources)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if suffices(middle) else (low, middle)
            return low

    def makes(self, path: str, made: np.ndarray, kept: Mapping[Source, np.ndarray], gap: _Gap) -> bool:
        """Whether a module is given this if one source has this value, and all else is changed."""
        with self._changed() as feed:
            found = self._given(path, kept, feed)
        return found is not None and close(made, found, gap.call.given_tolerance[0])

    def _given(
        self, path: str, kept: Mapping[Source, np.ndarray], feed: Sequence[np.ndarray]
    ) -> np.ndarray | None:
        """Return what a module is given while sources keep their values."""
        found: list[np.ndarray] = []

        def given(at: str, number: int, arrays: list[np.ndarray]) -> None:
            if at == path and len(arrays) == 1:
                found.append(arrays[0])

        def returned(at: str, number: int, arrays: list[np.ndarray]) -> list[np.ndarray] | None:
            return [kept[at]] if at in kept and len(arrays) == 1 else None

        inputs = [kept.get(place, array) for place, array in enumerate(feed)]
        parts = {at: part for at, part in self.parts.items() if at == path or at in kept}
        observe(self.side, inputs, parts, given, returned)
        return found[0] if len(found) == 1 else None

    @contextmanager
    def _changed(self) -> Iterator[list[np.ndarray]]:
        own = {name: np.array(value) for name, value in self.side.values().items()}
        try:
            self.side.set_values({name: value * np.float32(_CHANGE) for name, value in own.items()})
            yield [
                other if array.dtype.kind == "f" else array
                for array, other in zip(self._feed, feed_of(self.side, 1), strict=True)
            ]
        finally:
            self.side.set_values(own)
