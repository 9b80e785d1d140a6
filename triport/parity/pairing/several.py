"""Code that makes of several values what a module is given: a sum of branches, after which sides differ.

As of one value: both sides have all that is needed, and with each channel of all of it times a factor what is
given is times the same factors. Besides, what layers of the same sizes returned must be exchangeable, so that
it is the same to which branch each belongs, a vector of the network's own must be its counterpart in the
other's code, and what comes last of all that is needed must be the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .changed import Changed
from .layouts import close
from .observed import Call
from .returned import Source
from .scales import scales, times


@dataclass(frozen=True, slots=True)
class Sources:
    """What code of one side may make of what a module is given.

    Attributes:
        side: it runs with all else changed.
        call: of the module.
        given: what it is given.
        axis: that of the channels.
        tolerance: of what it is given.
        values: of what modules returned and of inputs, in the order of calls, and of vectors, by their names.
        axes: those of the channels of these.
        kinds: what could have each other's place: returned by layers of the same sizes.
    """

    side: Changed
    call: Call
    given: np.ndarray
    axis: int
    tolerance: float
    values: Mapping[Source, np.ndarray]
    axes: Mapping[Source, int]
    kinds: Mapping[Source, Hashable]

    def suffice(
        self, kept: Sequence[Source], factors: np.ndarray | None = None, vectors: bool = False
    ) -> bool:
        """Whether of these alone what is given is made: with channels times factors, times those.

        Args:
            kept: the sources.
            factors: of channels.
            vectors: whether vectors of the network's own are times the factors too.
        """
        values = {one: self.values[one] for one in kept}
        wanted = self.given
        if factors is not None:
            wanted = times(wanted, factors, self.axis)
            values = {
                one: array if isinstance(one, str) and not vectors else times(array, factors, self.axes[one])
                for one, array in values.items()
            }
        return self._makes(wanted, values)

    def are_exchangeable(self, kept: Sequence[Source]) -> bool:
        """Whether it is the same when those of one kind and one shape have each other's values."""
        kinds: dict[Hashable, list[Source]] = defaultdict(list)
        for one in kept:
            kinds[self.kinds[one], self.values[one].shape, self.axes[one]].append(one)
        for alike in kinds.values():
            # all in turn, and the first two: these make every order
            orders = [[*alike[1:], alike[0]]] * (len(alike) > 1) + [[*alike[1::-1], *alike[2:]]] * (
                len(alike) > 2
            )
            for order in orders:
                moved = dict(zip(alike, order, strict=True))
                values = {one: self.values[moved.get(one, one)] for one in kept}
                if not self._makes(self.given, values):
                    return False
        return True

    def trimmed(self, kept: Sequence[Source]) -> list[Source]:
        """Return sources that suffice, of which no vector can be left out, and not the last of the others."""
        left = list(kept)
        vectors = [one for one in left if isinstance(one, str)]
        for some in (vectors, *([one] for one in vectors)):
            rest = [one for one in left if one not in some]
            if len(rest) < len(left) and self.suffice(rest):
                left = rest
        while (last := self.last(left)) is not None:
            rest = [one for one in left if one != last]
            if not self.suffice(rest):
                break
            left = rest
        return left

    def last(self, kept: Sequence[Source]) -> Source | None:
        """Return what comes last of sources that are no vectors; None where there is nothing else."""
        return next(
            (one for one in reversed(list(self.values)) if one in kept and not isinstance(one, str)), None
        )

    def needed(self, kept: Sequence[Source], sure: Collection[Source] = ()) -> list[Source]:
        """Return sources that suffice, of which none can be left out but what is sure, which is not tried."""
        left = sorted(kept, key=lambda one: one not in sure)
        begin = sum(one in sure for one in kept)
        size = max((len(left) - begin) // 2, 1)
        while size:
            start = begin
            while start < len(left):
                rest = left[:start] + left[start + size :]
                if self.suffice(rest):
                    left = rest
                else:
                    start += size
            size //= 2
        return left

    def forget(self) -> None:
        """Let no module have left anything of what is kept, wherever code could find it."""
        self.side.forget(self.call)

    def _makes(self, wanted: np.ndarray, values: Mapping[Source, np.ndarray]) -> bool:
        made = self.side.given(self.call, values)
        return made is not None and close(wanted, made, self.tolerance)


@dataclass(frozen=True, slots=True)
class Needed:
    """Of which values code makes what a module is given, on either side, and all that the second side has."""

    first: Collection[Source] = ()
    second: Collection[Source] = ()
    among: Collection[Source] = ()

    def later(self, second: Sources) -> list[Source]:
        """Return what is likely to suffice later: the same, vectors, and what came since."""
        return [
            one
            for one in second.values
            if isinstance(one, str) or one in self.second or one not in self.among
        ]


def made_of_several(
    first: Sources, second: Sources, counterparts: Mapping[Source, Source], before: Iterable[Needed]
) -> tuple[Source, Needed] | None:
    """Return the last that is needed, as the first side has it, and all that is.

    None where it is not shown that code makes what is given of both.

    Args:
        first: of the first side.
        second: of the second side.
        counterparts: of the second side's.
        before: what was needed where code made something of several values before, the latest first.
    """
    starts = [*((one, one.later(second)) for one in before), (None, list(second.values))]
    near, kept = next((one for one in starts if second.suffice(one[1])), (None, []))
    if not kept:
        return None

    def trimmed(side: Sources, some: Sequence[Source]) -> list[Source]:
        if near is None:
            return side.trimmed(some)
        # what was needed before, and is not any more, does no more than what is not needed in any case
        return side.trimmed(side.needed(some, near.first if side is first else near.second))

    # what is not needed is in the way only where it could have the place of what is
    for least in (trimmed, Sources.needed):
        ours = least(second, kept)
        theirs = list(dict.fromkeys(counterparts[one] for one in ours))
        if not first.suffice(theirs):
            theirs = list(first.values)
            if not first.suffice(theirs):
                return None
        theirs = least(first, theirs)
        last, ours_last = first.last(theirs), second.last(ours)
        if last is None or ours_last is None or counterparts[ours_last] != last:
            return None
        vectors = [{one for one in side if isinstance(one, str)} for side in (theirs, ours)]
        if vectors[0] != {counterparts[one] for one in vectors[1]}:
            return None
        if not _are_apart(first, theirs, second, ours):
            return None
        # these keep what `_are_apart` kept, so that no run has left anything of it
        if second.are_exchangeable(ours) and first.are_exchangeable(theirs):
            return last, Needed(theirs, ours, {*second.values})
    return None


def _are_apart(first: Sources, theirs: Sequence[Source], second: Sources, ours: Sequence[Source]) -> bool:
    """Whether both sides keep channels apart; vectors may be added, or be factors themselves."""
    first.forget()
    second.forget()
    length = second.given.shape[second.axis]
    return any(
        all(second.suffice(ours, row, vectors) and first.suffice(theirs, row, vectors) for row in way)
        for way in scales(length)
        for vectors in ((False, True) if any(isinstance(one, str) for one in ours) else (False,))
    )
