"""Code between modules that computes otherwise on both sides: what shows that it may be passed over.

A module of the second side that is given something else than its counterpart is given what that was, where it
is shown, in runs of both sides, that what code makes for the one and for the other

- is made of one value alone, which both sides have: what a module returned, or an input. All else is changed,
  the parameters and the inputs, and it stays;
- keeps the channels of that value, or of one of several equal blocks of it, apart: with each channel of it
  times a factor, those of what is made of it are times the same factors.

So the code has no parameters, and exchanges nothing that a parameter follows. Of several modules of one size
behind code that is given one value, or one block of it, nothing tells which is which, unless what each pair
is given has a shape of its own: then none is passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from triport.converters.naming.pair_names import PairNames

from .beside import Missed
from .changed import Changed
from .crossed import can_change_places, codes_are_crossed
from .crossed_channels import channels_are_crossed
from .gap import Bridged, Gap, MadeOf, channel_axis, kind_of, sizes_in
from .layouts import close, layout_between, paired_axes
from .normalised import CodeBehind, makes_alike
from .observed import Call, called_with
from .recording import Recorded, Recording
from .returned import Returned, Source
from .scales import scales, times
from .several import Needed, Sources, made_of_several
from .sides import Side

# how many sources in turn are tried of those that code may compute with
_MOST_SOURCES = 3
# how many of the gaps before are looked at for what is needed again: branches go on side by side
_MOST_BRANCHES = 6

_Counterpart = tuple[Source, Mapping[int, int]]


class Gaps:
    """The modules of the second side that are found to be behind code that may be passed over.

    Attributes:
        sides: both, to be run with other values.
        found: in the order in which they were.
        forced: by the module's call that of the first side whose input it is given.
        apart: likewise where that has another shape, so that the module was run on it by itself; in the run
            it goes on with its own, and what both return stands for one value.
    """

    def __init__(
        self, a: Side, b: Side, feed: Sequence[np.ndarray], recording: Recording, names: PairNames
    ) -> None:
        self.sides = Changed(a, feed), Changed(b, feed)
        self._recording, self._inputs = recording, dict[Source, np.ndarray](enumerate(feed))
        self._of_a: dict[Source, np.ndarray] = {}
        self._sums: dict[Source, np.ndarray] = {}
        # of sources of the second side; how many modules lay between a source and what was given of it
        self._known: dict[Source, _Counterpart | None] = {}
        self._distances: list[int] = []
        self.found: list[Bridged] = []
        self.forced: dict[Call, Recorded] = {}
        self.apart: dict[Call, Recorded] = {}
        # vectors of the second side that no known layer has, each with that of the first
        self._vectors: dict[Source, Source] = {
            row.b[0]: row.a[0]
            for row in names.rows
            if len(row.a) == len(row.b) == 1
            if row.a[0] in self.sides[0].vectors and row.b[0] in self.sides[1].vectors
        }
        # what the code of each side is given, and whether two modules may be behind each other's code
        self._kept = MadeOf({}, {}), MadeOf({}, {})
        self.is_crossed = False
        # what was needed where code made of several values what a module was given, the latest first
        self._several: deque[Needed] = deque(maxlen=_MOST_BRANCHES)

    def bridge(self, missed: Sequence[Missed], run: Returned) -> int:
        """Return how many of the modules, the first ones, may be given what their counterparts are.

        Args:
            missed: the modules of the second side that were given something else, in order.
            run: what the modules of the second side return if they are given what their counterparts are.
        """
        first, second = self.sides
        self._of_a = self._inputs | first.run(Returned(self._recording.distinct)).returned
        second.knows(run)
        self._sums = {one: _sums(array) for one, array in self._of_a.items()}
        with first.changed(), second.changed():
            for one in missed:
                if len(one.given) != 1 or one.call.call not in self._of_a or len(one.call.given) != 1:
                    break
                gap = Gap(one.call, one.at, second.parts[one.at[0]], one.given[0])
                if gap.size is None:
                    break
                made_of = self._made_of(gap, self._inputs | run.before(gap.at))
                if made_of is None or not self._pass(gap, *made_of):
                    break
            if not self.is_crossed and can_change_places(second.side):
                self.is_crossed = codes_are_crossed(self.found, self.sides)
        return len(self.found)

    def _made_of(self, gap: Gap, known: Mapping[Source, np.ndarray]) -> tuple[Source, int] | None:
        """Return the source of the first side, and the block of it, of which code makes what is given.

        Of several it is the last.
        """
        for source in known:
            if source not in self._known or source in self.apart:
                self._known[source] = self._counterpart(gap, source, known)
        sources = [one for one in known if self._known[one] is not None]
        ways = [self._made_of_one, self._made_of_several]
        # what was made of several values before, as what goes on from block to block, is likely to be again
        found = next(
            (found for way in ways[:: -1 if self._several else 1] if (found := way(gap, known, sources))),
            None,
        )
        found = found or self._made_alike(gap, known, sources)
        if found is None:
            return None
        side = self.sides[0].side
        sizes = sizes_in(side, gap.call.path)
        is_taken = any(
            (one.source, one.block) == found
            and sizes_in(side, one.gap.call.path) == sizes
            and (None in (one.gap.shape, gap.shape) or one.gap.shape == gap.shape)
            for one in self.found
        )
        return None if is_taken else found

    def _made_of_one(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> tuple[Source, int] | None:
        for place in self._places(gap, known, sources):
            of_a, axes = self._known[sources[place]] or (0, {})
            values = self._of_a[of_a], known[sources[place]]
            apart = self._kept_apart(gap, (of_a, sources[place]), values, axes)
            if apart is not None:
                block, both = apart
                self._hold_channels(
                    gap,
                    MadeOf({of_a: values[0]}, {of_a: both[0]}),
                    MadeOf({sources[place]: values[1]}, {sources[place]: both[1]}),
                )
                self._distances.insert(0, len(sources) - place)
                return of_a, block
        return None

    def _hold_channels(self, gap: Gap, first: MadeOf, second: MadeOf) -> None:
        """Note what both sides make a module's input of, and whether channels of that are exchanged."""
        self._kept = first, second
        self.is_crossed = self.is_crossed or channels_are_crossed(gap, self.sides, (first, second))

    def _made_of_several(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> tuple[Source, int] | None:
        # what modules with others inside return is made of what these do, and of vectors
        inner = [one for one in sources if not (isinstance(one, tuple) and self.sides[1].has_inside(one[0]))]
        for kept in (inner, sources) if len(inner) < len(sources) else (sources,):
            first, second, counterparts = self._sources(gap, known, kept)
            found = made_of_several(first, second, counterparts, self._several)
            if found is not None:
                last, needed = found
                self._hold_channels(
                    gap,
                    MadeOf({one: first.values[one] for one in needed.first}, first.axes),
                    MadeOf({one: second.values[one] for one in needed.second}, second.axes),
                )
                self._several.appendleft(needed)
                return last, 0
        return None

    def _made_alike(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> tuple[Source, int] | None:
        """Return the source of which both sides make the same where its values have length one."""
        vectors = [*self.sides[1].vectors]
        place = self._last_that_suffice(gap, {**known, **self.sides[1].vectors}, sources, vectors)
        if place is None or gap.shape is None:
            return None
        source, of_a = sources[place], (self._known[sources[place]] or (0, {}))[0]
        channels = None
        if isinstance(of_a, tuple):
            channels = channel_axis(self.sides[0].parts[of_a[0]], self._of_a[of_a])
        tolerance = gap.call.given_tolerance[0]
        layout = layout_between(self._of_a[of_a], known[source], tolerance)
        if channels is None or layout is None:
            return None
        sides = self.sides
        first = CodeBehind(sides[0], gap.call.call, gap.call.given[0], of_a, self._of_a[of_a], tolerance)
        second = CodeBehind(sides[1], gap.at, gap.given, source, known[source], tolerance)
        for one in (first, second):
            one.side.forget(one.call)
        self._kept = MadeOf({of_a: self._of_a[of_a]}, {}), MadeOf({source: known[source]}, {})
        return (of_a, 0) if makes_alike(first, second, layout, channels, self._vectors) else None

    def _sources(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> tuple[Sources, Sources, dict[Source, Source]]:
        """Return what has the channels of what is given, of both sides, and what is which of it."""
        assert gap.channels is not None
        counterparts: dict[Source, Source] = dict(self._vectors)
        axes: tuple[dict[Source, int], dict[Source, int]] = ({}, {})
        for one in sources:
            of_a, turned = self._known[one] or (0, {})
            places = [
                (axis, other)
                for axis, other in turned.items()
                if axis and self._of_a[of_a].shape[axis] == known[one].shape[other] == gap.size
            ]
            if len(places) == 1:
                counterparts[one] = of_a
                axes[0][of_a], axes[1][one] = places[0]
        of_vectors = self._vectors.values(), self._vectors.keys()
        found = []
        for place, side in enumerate(self.sides):
            shapes = {one: side.vectors[one].shape for one in of_vectors[place]}
            axes[place].update(
                {one: shape.index(gap.size) for one, shape in shapes.items() if gap.size in shape}
            )
            values = {**side.vectors, **(self._of_a, known)[place]}
            found.append(
                Sources(
                    side,
                    (gap.call.call, gap.at)[place],
                    (gap.call.given[0], gap.given)[place],
                    gap.channels[place],
                    gap.call.given_tolerance[0],
                    {one: array for one, array in values.items() if one in axes[place]},
                    axes[place],
                    {one: kind_of(side.side, one) for one in axes[place]},
                )
            )
        return found[0], found[1], counterparts

    def _places(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]
    ) -> Iterator[int]:
        """Yield the places of sources of which code may make what a module is given.

        First as far before it as others were found, then the nearest that suffices with all behind it.
        """
        for far in dict.fromkeys(self._distances[:_MOST_SOURCES]):
            place = len(sources) - far
            if place >= 0 and self._is_nearest(gap, known, sources, place):
                yield place
        end = len(sources)
        for _ in range(_MOST_SOURCES):
            nearest = self._last_that_suffice(gap, known, sources[:end])
            if nearest is None:
                return
            yield nearest
            end = nearest

    def _is_nearest(
        self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source], place: int
    ) -> bool:
        """Whether a source suffices, and all that comes behind it does not."""
        return self._suffice(gap, known, sources[place : place + 1]) and not self._suffice(
            gap, known, sources[place + 1 :]
        )

    def _suffice(self, gap: Gap, known: Mapping[Source, np.ndarray], sources: Sequence[Source]) -> bool:
        made = self.sides[1].given(gap.at, {one: known[one] for one in sources})
        return made is not None and close(gap.given, made, gap.call.given_tolerance[0])

    def _last_that_suffice(
        self,
        gap: Gap,
        known: Mapping[Source, np.ndarray],
        sources: Sequence[Source],
        others: Sequence[Source] = (),
    ) -> int | None:
        """Return where the fewest last sources begin that a module is given the same with, beside others.

        None where all do not suffice.
        """
        if not sources or not self._suffice(gap, known, [*sources, *others]):
            return None
        low, high = 0, len(sources)
        while high - low > 1:
            middle = (low + high) // 2
            is_enough = self._suffice(gap, known, [*sources[middle:], *others])
            low, high = (middle, high) if is_enough else (low, middle)
        return low

    def _counterpart(
        self, gap: Gap, source: Source, known: Mapping[Source, np.ndarray]
    ) -> tuple[Source, Mapping[int, int]] | None:
        """Return the source of the first side with this value, and by its axis there that of the second."""
        value = known[source]
        if isinstance(source, int):
            return source, {axis: axis for axis in range(value.ndim)}
        if isinstance(source, tuple) and source in self.apart:
            call = self.apart[source]
            channels = Gap(call, source, self.sides[1].parts[source[0]], value).channels
            return None if channels is None else (call.call, {channels[0]: channels[1]})
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
                return path, paired_axes(layout.axes, other.shape, value.shape)
        return None

    def _kept_apart(
        self,
        gap: Gap,
        sources: tuple[Source, Source],
        values: tuple[np.ndarray, np.ndarray],
        axes: Mapping[int, int],
    ) -> tuple[int, tuple[int, int]] | None:
        """Return the block of one value of which code on both sides makes, channel by channel, what is given.

        With it come the axes of channels of the value. None where it is of no block, or not the same on both
        sides.
        """
        assert gap.channels is not None
        size = gap.size or 1
        for side, call in zip(self.sides, (gap.call.call, gap.at), strict=True):
            side.forget(call)
        for axis, other in axes.items():
            length = values[0].shape[axis]
            if not axis or length != values[1].shape[other] or length % size:
                continue
            for way in scales(length):
                blocks = self._blocks(gap, sources, values, (axis, other), way)
                if len(blocks) == 1:
                    return blocks.pop(), (axis, other)
        return None

    def _blocks(
        self,
        gap: Gap,
        sources: tuple[Source, Source],
        values: tuple[np.ndarray, np.ndarray],
        axes: tuple[int, int],
        way: Sequence[np.ndarray],
    ) -> set[int]:
        """Return of which blocks of a value both sides make what is given, as every row of factors has it."""
        found = set(range(len(way[0]) // (gap.size or 1)))
        for factors in way:
            for place in (1, 0):
                kept = {sources[place]: times(values[place], factors, axes[place])}
                made = self.sides[place].given((gap.call.call, gap.at)[place], kept)
                found &= gap.blocks_of(place, made, factors)
                if not found:
                    return found
        return found

    def _pass(self, gap: Gap, source: Source, block: int) -> bool:
        """Note that a module is passed, unless it returns something else of the same by itself."""
        call = gap.call
        if gap.given.shape == call.given[0].shape:
            self.forced[gap.at] = call
        elif self._returns_alike(gap):
            self.apart[gap.at] = call
        else:
            return False
        self.found.append(Bridged(gap, source, block, self._kept))
        return True

    def _returns_alike(self, gap: Gap) -> bool:
        """Whether both modules return the same of what the one is given, or of what the other is."""
        call, (first, second) = gap.call, self.sides
        with first.unchanged(), second.unchanged():
            made = called_with(second.side, gap.part, call.given[0].astype(gap.given.dtype))
            own = called_with(second.side, gap.part, gap.given)
            others = called_with(first.side, call.part, gap.given.astype(call.given[0].dtype))
        return any(
            one is not None and other is not None and close(one, other, call.returned_tolerance[0])
            for one, other in ((call.returned[0], made), (others, own))
        )


def _sums(array: np.ndarray) -> np.ndarray:
    """Return what is the same of an array in every order of its values."""
    values = np.asarray(array, np.float64)
    return np.array([values.mean(), np.abs(values).mean(), values.max(initial=0.0), values.min(initial=0.0)])
