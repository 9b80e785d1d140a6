"""Code that divides a value by its length, on one side alone: of values of length one both make the same.

That mixes channels, or takes the length of each away, so that none can be told apart by a factor. But both
sides are run on random values of length one along an axis, and where what they make of these is the same, and
every channel of them matters, the code takes and makes the same channels on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .changed import Changed
from .layouts import Layout, close
from .observed import Call
from .returned import Source

_DRAWS = 2
# of so few values along an axis a direction says too little
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class CodeBehind:
    """What code of one side makes, for a module, of the value of one source and of the network's own vectors.

    Attributes:
        side: it runs with all else changed.
        call: of the module.
        given: what it is given.
        source: what the code takes.
        value: of the source.
        tolerance: of what the module is given.
    """

    side: Changed
    call: Call
    given: np.ndarray
    source: Source
    value: np.ndarray
    tolerance: float

    def of(self, value: np.ndarray, vectors: Collection[Source]) -> np.ndarray | None:
        """Return what is made of a value, with these vectors as they are."""
        own = {one: self.side.vectors[one] for one in vectors}
        return self.side.given(self.call, {**own, self.source: value.astype(self.value.dtype)})

    def is_made(self, vectors: Collection[Source]) -> bool:
        """Whether these vectors are enough."""
        made = self.of(self.value, vectors)
        return made is not None and close(self.given, made, self.tolerance)

    def needed(self) -> list[Source] | None:
        """Return the vectors that what is given is made of, besides the source; None if that is not all."""
        left: list[Source] = list(self.side.vectors)
        if self.is_made(()):
            return []
        if not self.is_made(left):
            return None
        size = len(left)
        while size := size // 2:
            start = 0
            while start < len(left):
                rest = left[:start] + left[start + size :]
                if self.is_made(rest):
                    left = rest
                else:
                    start += size
        return left


def makes_alike(
    first: CodeBehind,
    second: CodeBehind,
    layout: Layout,
    channels: int,
    counterparts: Mapping[Source, Source],
) -> bool:
    """Whether code of both sides makes the same of values of length one, all of whose channels matter.

    Args:
        first: of the first side.
        second: of the second side.
        layout: of the first source's value in the second's.
        channels: their axis in the first source's value.
        counterparts: of the second side's vectors.
    """
    theirs, ours = first.needed(), second.needed()
    if theirs is None or ours is None or {*theirs} != {counterparts.get(one) for one in ours}:
        return False
    return any(
        _are_alike(first, second, layout, (theirs, ours), _drawn(first.value.shape, axis))
        and _all_matter(second, layout, ours, channels, next(_drawn(first.value.shape, axis)))
        for axis in range(1, first.value.ndim)
        if axis != channels and first.value.shape[axis] >= _FEWEST
    )


def _drawn(shape: tuple[int, ...], axis: int) -> Iterator[np.ndarray]:
    """Yield random values of length one along an axis."""
    random = np.random.default_rng(axis)
    while True:
        values = random.standard_normal(shape)
        yield values / np.linalg.norm(values, axis=axis, keepdims=True)


def _are_alike(
    first: CodeBehind,
    second: CodeBehind,
    layout: Layout,
    vectors: tuple[Sequence[Source], Sequence[Source]],
    drawn: Iterator[np.ndarray],
) -> bool:
    for _, value in zip(range(_DRAWS), drawn, strict=False):
        ours = first.of(value, vectors[0])
        theirs = second.of(layout.applied(value, second.value.shape), vectors[1])
        if ours is None or theirs is None or not close(ours, theirs, first.tolerance):
            return False
    return True


def _all_matter(
    second: CodeBehind, layout: Layout, vectors: Sequence[Source], channels: int, value: np.ndarray
) -> bool:
    """Whether what is made is another with other values in any one channel, and with another vector."""

    def is_other(value: np.ndarray, vectors: Sequence[Source]) -> bool:
        made = second.of(layout.applied(value, second.value.shape), vectors)
        return same is not None and made is not None and not close(same, made, second.tolerance)

    same = second.of(layout.applied(value, second.value.shape), vectors)
    if not all(is_other(value, [other for other in vectors if other != one]) for one in vectors):
        return False
    # of one length too, but in another direction
    other = np.flip(value, [axis for axis in range(value.ndim) if axis != channels])
    for channel in range(value.shape[channels]):
        changed = value.copy()
        np.moveaxis(changed, channels, 0)[channel] = np.moveaxis(other, channels, 0)[channel]
        if not is_other(changed, vectors):
            return False
    return True
