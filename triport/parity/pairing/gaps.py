"""Code between modules that computes otherwise on both sides: what shows that it may be passed over.

A module of the second side that is given something else than its counterpart is given what that was, where it
is shown, in runs of both sides, that what code makes for the one and for the other

- is made of one value alone, which both sides have: what a module returned, or an input. All else is changed,
  the parameters and the inputs, and it stays;
- keeps the channels of that value, or of one of several equal blocks of it, apart: with each channel of it
  times a factor, those of what is made of it are times the same factors.

So the code has no parameters, and exchanges nothing that a parameter follows. Of several modules of one size
behind code that is given one value, or one block of it, nothing tells which is which: then none is passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triport.reference_models.modules import Part, parameters_of

from .changed import Changed
from .layouts import Shape, close, layout_between
from .observed import Returned, Source, called_with
from .pieces import Key, key_of
from .recording import Recorded, Recording
from .sides import Side

# where it is known that channels are the last axis, or the second; of norms over the last axes see below
_CHANNELS_LAST = frozenset({"dense", "layer_norm", "rms_norm"})
_CHANNELS_SECOND = frozenset({"conv", "conv_transposed", "norm", "group_norm", "instance_norm"})
# how many sources in turn are tried of those that code may compute with
_MOST_SOURCES = 3

_Counterpart = tuple[Source, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Bridged:
    """A module that is given what its counterpart was.

    `source` is what the first side's code is given, `block` which of its blocks of as many channels.
    """

    call: Recorded
    path: str
    source: Source
    block: int


class Gaps:
    """The modules of the second side that are found to be behind code that may be passed over.

    Attributes:
        found: in the order in which they were.
        forced: by path the call of the first side whose input a module is given.
        apart: likewise where that has another shape, so that the module was run on it by itself; in the run
            it goes on with its own, and what both return stands for one value.
    """

    def __init__(self, a: Side, b: Side, feed: Sequence[np.ndarray], recording: Recording) -> None:
        self._sides = Changed(a, feed), Changed(b, feed)
        self._recording, self._inputs = recording, dict[Source, np.ndarray](enumerate(feed))
        self._of_a: dict[Source, np.ndarray] = {}
        self._sums: dict[Source, np.ndarray] = {}
        # of sources of the second side; how many modules lay between a source and what was given of it
        self._known: dict[Source, _Counterpart | None] = {}
        self._distances: list[int] = []
        self.found: list[Bridged] = []
        self.forced: dict[str, Recorded] = {}
        self.apart: dict[str, Recorded] = {}

    def bridge(self, missed: Sequence[tuple[Recorded, Part]], run: Returned) -> int:
        """Return how many of the modules, the first ones, may be given what their counterparts are.

        Args:
            missed: the modules of the second side that were given something else, in order, each with the
                call of its counterpart.
            run: what the modules of the second side are given and return if they are given that.
        """
        first, second = self._sides
        self._of_a = self._inputs | first.returned()
        self._sums = {one: _sums(array) for one, array in self._of_a.items()}
        for place, (call, part) in enumerate(missed):
            given = run.given.get(part.path)
            if given is None or call.path not in self._of_a or len(call.given) != 1:
                return place
            gap = _Gap(call, part, given)
            with first.changed(), second.changed():
                made_of = (
                    None if gap.channels is None else self._made_of(gap, self._inputs | run.before(part.path))
                )
            if made_of is None or not self._pass(gap, *made_of):
                return place
        return len(missed)

    def _made_of(self, gap: _Gap, known: Mapping[Source, np.ndarray]) -> tuple[Source, int] | None:
        """Return the source of the first side, and the block of it, of which code makes what is given."""
        first, _ = self._sides
        for source in known:
            if source not in self._known or source in self.apart:
                self._known[source] = self._counterpart(gap, source, known)
        sources = [one for one in known if self._known[one] is not None]
        sizes = _sizes_owned(first.side, gap.call.path)
        for place in self._places(gap, known, sources):
            of_a, axes = self._known[sources[place]] or (0, {})
            values = self._of_a[of_a], known[sources[place]]
            block = self._kept_apart(gap, (of_a, sources[place]), values, axes)
            if block is None:
                continue
            if any(
                (one.source, one.block) == (of_a, block) and _sizes_owned(first.side, one.call.path) == sizes
                for one in self.found
            ):
                return None
            self._distances.insert(0, len(sources) - place)
            return of_a, block
        return None

    def _places(
        self, gap: _Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> Iterator[int]:
        """Yield the places of sources of which code may make what a module is given.

        First as far before it as others were found, then the nearest that suffices with all behind it.
        """
        far = [one for one in dict.fromkeys(self._distances[:_MOST_SOURCES]) if one <= len(sources)]
        yield from (len(sources) - one for one in far)
        end = len(sources)
        for _ in range(_MOST_SOURCES):
            place = self._last_that_suffice(gap, known, sources[:end])
            if place is None:
                return
            yield place
            end = place

    def _last_that_suffice(
        self, gap: _Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> int | None:
        """Return where the fewest last sources begin that a module is given the same with; None for none."""

        def suffices(first: int) -> bool:
            made = self._sides[1].given(gap.part.path, {one: known[one] for one in sources[first:]})
            return made is not None and close(gap.given, made, gap.call.given_tolerance[0])

        if not sources or not suffices(0):
            return None
        low, high = 0, len(sources)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if suffices(middle) else (low, middle)
        return low

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

    def _kept_apart(
        self,
        gap: _Gap,
        sources: tuple[Source, Source],
        values: tuple[np.ndarray, np.ndarray],
        axes: Mapping[int, int],
    ) -> int | None:
        """Return the block of one value of which code on both sides makes, channel by channel, what is given.

        None where it is of no block, or not the same on both sides.
        """
        assert gap.channels is not None
        size = gap.given.shape[gap.channels[1]]
        if gap.call.given[0].shape[gap.channels[0]] != size:
            return None
        for axis, other in axes.items():
            length = values[0].shape[axis]
            if not axis or length != values[1].shape[other] or length % size:
                continue
            factors = np.random.default_rng(length).uniform(0.5, 2, length)
            blocks: list[int | None] = []
            for side_at, path, at in ((1, gap.part.path, other), (0, gap.call.path, axis)):
                kept = {sources[side_at]: _times(values[side_at], factors, at)}
                blocks.append(_block_of(gap, side_at, self._sides[side_at].given(path, kept), factors))
                if None in blocks:
                    break
            if None not in blocks and blocks[0] == blocks[1]:
                return blocks[0]
        return None

    def _pass(self, gap: _Gap, source: Source, block: int) -> bool:
        """Note that a module is passed, unless it returns something else of the same by itself."""
        call, path = gap.call, gap.part.path
        if gap.given.shape == call.given[0].shape:
            self.forced[path] = call
        elif self._returns_alike(gap):
            self.apart[path] = call
        else:
            return False
        self.found.append(Bridged(call, path, source, block))
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


def _block_of(gap: _Gap, place: int, made: np.ndarray | None, factors: np.ndarray) -> int | None:
    """Return of which block of a value, with channels times factors, code makes what a module is given."""
    assert gap.channels is not None
    given, axis = (gap.call.given[0], gap.given)[place], gap.channels[place]
    if made is None or made.shape != given.shape:
        return None
    for block, part in enumerate(np.split(factors, len(factors) // given.shape[axis])):
        if close(_times(given, part, axis), made, gap.call.given_tolerance[0]):
            return block
    return None


def _sizes_owned(side: Side, path: str) -> list[Key]:
    return sorted(key_of(one.shape) for one in side.parameters.values() if one.owner == path)
