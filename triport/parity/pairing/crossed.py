"""Modules that part and would not, if each had the other's counterpart: weights may have changed places.

Two branches may differ in nothing but a dilation, or one in the activation behind it. A map that gives each
the other's weights makes both part, with a difference that is true; yet not the graphs differ, but the map
is wrong. Of branches side by side it is enough that one of them would not part; and where each is another on
either side nothing tells whose is whose.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from triport.reference_models.modules import Part, parameters_of

from .beside import Found
from .changed import Changed
from .gap import Bridged
from .layouts import close, layout_between
from .observed import Call, called_with
from .pieces import key_of
from .settings import group_of, settings_of
from .sides import Side

# modules of which nothing says how they differ are run on each other's inputs; so many times at most
_MOST_RUNS = 256


def can_change_places(b: Side) -> bool:
    """Return whether two modules of a side, or two matrices, have one size: a map may exchange these."""
    sizes: dict[str, list[str]] = {}
    matrices = []
    for one in b.parameters.values():
        key = key_of(one.shape)
        sizes.setdefault(one.owner, []).append(str(key))
        matrices += [key] if len(key) > 1 else []
    modules = [tuple(sorted(of_one)) for of_one in sizes.values()]
    return any(len(set(each)) < len(each) for each in (modules, matrices))


def are_crossed(found: Sequence[Found], a: Changed, b: Side) -> bool:
    """Return whether modules of the second side that part are like those of the first in others.

    Args:
        found: what parts.
        a: the first side, with its own values.
        b: the second side.
    """
    pairs = [(_like(one.a.part, one.a.given, one), _like(one.b, one.given, one)) for one in found]

    def is_like(place: int, other: int) -> bool:
        first, second = pairs[place]
        if first != pairs[other][1]:
            return False
        # what differs in nothing that is known may keep a function of the user's own
        return first != second or _returns_the_same(found[other], found[place], b)

    def is_any(place: int, other: int) -> bool:
        if group_of(found[place].a.part.kind) != group_of(found[other].a.part.kind):
            return False
        return all(
            one[1:3] == two[1:3] and one != two  # of the same sizes
            for one, two in zip(pairs[place], pairs[other], strict=True)
        )

    return _change_places([one.a.call for one in found], is_like, is_any, a)


def codes_are_crossed(passed: Sequence[Bridged], sides: tuple[Changed, Changed]) -> bool:
    """Return whether the second side's code before modules makes what the first's does before others.

    Both sides' code is given the same: what the first side's made its own of. Of several blocks of channels
    all are given the same, whichever code takes.

    Args:
        passed: in the order of calls.
        sides: with other parameters.
    """
    shapes = [_shapes(one) for one in passed]

    def is_like(place: int, other: int) -> bool:
        return shapes[place] == shapes[other] and _makes_the_same(passed[place], passed[other], sides, (1, 0))

    def is_any(place: int, other: int) -> bool:
        both = passed[place], passed[other]
        return shapes[place] == shapes[other] and not any(
            _makes_the_same(*both, sides, (at, at)) for at in (0, 1)
        )

    return _change_places([one.gap.call.call for one in passed], is_like, is_any, sides[0])


def _change_places(
    calls: Sequence[Call],
    is_like: Callable[[int, int], bool],
    is_any: Callable[[int, int], bool],
    a: Changed,
) -> bool:
    """Return whether one is like another beside it, or could be, or some are like one another all round.

    Those that are near each other are looked at first.

    Args:
        calls: of the first side.
        is_like: whether what the second side has in the place of one is what the first has in another's.
        is_any: whether both could change places, and are something else on both sides.
        a: the first side.
    """
    pairs = sorted(itertools.permutations(range(len(calls)), 2), key=lambda both: abs(both[0] - both[1]))
    like = [both for both in pairs[:_MOST_RUNS] if is_like(*both)]
    near = like + [both for both in pairs[:_MOST_RUNS] if both[0] < both[1] and is_any(*both)]
    if any(not a.follow_each_other(calls[one], calls[other]) for one, other in near):
        return True
    while like:
        # what nothing leads to, or what leads nowhere, is in no round
        begins, ends = {one for one, _ in like}, {other for _, other in like}
        left = [both for both in like if both[0] in ends and both[1] in begins]
        if left == like:
            return True
        like = left
    return False


def _shapes(one: Bridged) -> Hashable:
    return one.gap.given.shape, one.gap.call.given[0].shape, *(kept.shapes for kept in one.made_of)


def _makes_the_same(
    one: Bridged, other: Bridged, sides: tuple[Changed, Changed], places: tuple[int, int]
) -> bool:
    """Return whether one side's code before a module makes what a side's makes before another.

    Args:
        one: what is passed, of which the first of `places` is the side.
        other: likewise, of the second of `places`.
        sides: both.
        places: 0 or 1.
    """
    size, (first, second) = one.gap.size or 1, places

    def made_by(passed: Bridged, at: int) -> np.ndarray | None:
        call = passed.gap.at if at else passed.gap.call.call
        values = other.made_of[at].with_one_block(size).values()
        return sides[at].given(call, dict(zip(passed.made_of[at].values, values, strict=True)))

    wanted: np.ndarray | None = other.gap.given if second else other.gap.call.given[0]
    if other.made_of[second].has_blocks(size):
        wanted = made_by(other, second)
    made = made_by(one, first)
    if made is None or wanted is None:
        return False
    return layout_between(wanted, made, other.gap.call.given_tolerance[0]) is not None


def could_be_code(one: Found, a: Side, b: Side) -> bool:
    """Whether a module without parameters parts that follows a factor, as code does that is passed over.

    What neither side's does, no code that is passed does: it can have no such code's place.
    """
    if parameters_of(one.b.module) or len(one.given) != 1 or len(one.a.given) != 1:
        return False
    tried = ((a, one.a.part, one.a.given[0]), (b, one.b, one.given[0]))
    return any(_follows_a_factor(*each, one.a.returned_tolerance[0]) for each in tried)


def _follows_a_factor(side: Side, part: Part, given: np.ndarray, tolerance: float) -> bool:
    if given.dtype.kind != "f":
        return True
    made, twice = called_with(side, part, given), called_with(side, part, 2 * given)
    if made is None or twice is None:
        return True
    return close(2 * made, twice, tolerance) or close(made, twice, tolerance)


def _returns_the_same(one: Found, other: Found, b: Side) -> bool:
    """Return whether the second side's module of a parting returns what the first's of another does."""
    if not len(one.given) == len(other.given) == len(other.layouts) == len(other.a.returned) == 1:
        return False
    made, layout = called_with(b, one.b, other.given[0]), other.layouts[0]
    if made is None:
        return False
    wanted = layout.applied(other.a.returned[0], made.shape)
    return close(wanted, made, other.a.returned_tolerance[0])


def _like(part: Part, given: Sequence[np.ndarray], of: Found) -> tuple[Hashable, ...]:
    """Return what has the same only for modules that compute alike with the same weights."""
    settings = settings_of(part.module, part.kind, [one.shape for one in given])
    kind = type(part.module).__name__ if part.kind is None else part.kind.name
    sizes = sorted(str(key_of(one.shape)) for one in parameters_of(part.module))
    returned = [one.size for one in of.a.returned]
    return kind, tuple(sizes), tuple(returned), repr(sorted(settings.items()))
