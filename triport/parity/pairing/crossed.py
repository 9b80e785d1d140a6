"""Modules that part and would not, if each had the other's counterpart: weights may have changed places.

Two branches may differ in nothing but a dilation, or one in the activation behind it. A map that gives each
the other's weights makes both part, with a difference that is true; yet not the graphs differ, but the map
is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from triport.reference_models.modules import Part, parameters_of

from .beside import Found
from .changed import Changed
from .gap import Bridged, Gap
from .layouts import close, layout_between
from .observed import called_with
from .pieces import key_of
from .returned import Source
from .settings import settings_of
from .sides import Side

# modules of which nothing says how they differ are run on each other's inputs; so many times at most
_MOST_RUNS = 256
# numbers that say of what is made of a channel whether it is the same
_SAID = 8


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


def are_crossed(found: Sequence[Found], b: Side) -> bool:
    """Return whether modules of the second side that part are like those of the first in others, in turn.

    Args:
        found: what parts.
        b: the second side.
    """
    pairs = [(_like(one.a.part, one.a.given, one), _like(one.b, one.given, one)) for one in found]

    def is_like(place: int, other: int) -> bool:
        first, second = pairs[place]
        if first != pairs[other][1]:
            return False
        # what differs in nothing that is known may keep a function of the user's own
        return first != second or _returns_the_same(found[other], found[place], b)

    return _go_round(len(found), is_like)


def codes_are_crossed(passed: Sequence[Bridged], second: Changed) -> bool:
    """Return whether the second side's code before modules makes what the first's does before others.

    Both sides' code is given the same: what the first side's made its own of.

    Args:
        passed: in the order of calls.
        second: the second side, whose parameters are changed.
    """
    shapes = [_shapes(one) for one in passed]

    def is_like(place: int, other: int) -> bool:
        return shapes[place] == shapes[other] and _makes_the_same(passed[other], passed[place], second)

    return _go_round(len(passed), is_like)


def channels_are_crossed(
    gap: Gap,
    sides: tuple[Changed, Changed],
    kept: tuple[Mapping[Source, np.ndarray], Mapping[Source, np.ndarray]],
    axes: tuple[Mapping[Source, int], Mapping[Source, int]],
) -> bool:
    """Return whether the second side's code makes of channels what the first's makes of others, in turn.

    All channels are given the same values, so that all that differs is what code does with each.

    Args:
        gap: what is made.
        sides: with other parameters and inputs, which keep their channels apart.
        kept: of which values either makes it.
        axes: those of the channels of these.
    """
    size = gap.size or 1
    said: list[list[np.ndarray]] = [[], []]
    is_direct = gap.shape is not None and gap.channels is not None and len({*gap.channels}) == 1
    chosen = _largest_channel(kept[0], axes[0], size)
    for sign in (1.0, -1.0):
        for place, call in enumerate((gap.call.call, gap.at)):
            values = {
                one: sign * _of_one_channel(array, axes[place][one], size, chosen)
                for one, array in kept[place].items()
            }
            made = sides[place].given(call, values)
            if made is None or gap.channels is None or not np.isfinite(made).all():
                break
            said[place].append(_told_of_channels(made, gap.channels[place], is_direct))
    told = [np.concatenate(one[: min(map(len, said))] or [np.zeros((0, size))]) for one in said]
    if not told[0].size or told[0].shape != told[1].shape:
        return False
    allowed = 100 * gap.call.given_tolerance[0] * np.abs(told[0]).max(initial=0.0)
    # by channel of the second side, those of the first of which the same is made
    like = np.all(np.abs(told[1][:, :, None] - told[0][:, None, :]) <= allowed, axis=0)
    differ = ~like.diagonal()
    left = like & differ & differ[:, None]
    while left.any():
        # what nothing leads to, or what leads nowhere, is in no round
        inside = left.any(0) & left.any(1)
        if inside[left.any(0) | left.any(1)].all():
            return True
        left &= inside & inside[:, None]
    return False


def _largest_channel(kept: Mapping[Source, np.ndarray], axes: Mapping[Source, int], size: int) -> int:
    total = np.zeros(size)
    for one, array in kept.items():
        rows = np.moveaxis(np.asarray(array, np.float64), axes[one], 0).reshape(
            -1, size, array.size // array.shape[axes[one]]
        )
        total += np.square(rows).sum((0, 2))
    return int(total.argmax())


def _of_one_channel(array: np.ndarray, axis: int, size: int, chosen: int) -> np.ndarray:
    """Return an array in which all channels, of every block of so many, have the values of one of them."""
    places = np.arange(array.shape[axis]) // size * size + chosen
    return np.take(np.asarray(array, np.float64), places, axis)


def _told_of_channels(made: np.ndarray, axis: int, is_direct: bool) -> np.ndarray:
    """Return numbers by channel that are the same where the same is made, in any order unless direct."""
    rows = np.moveaxis(made, axis, 0).reshape(made.shape[axis], -1).astype(np.float64)
    rows = rows if is_direct else np.sort(rows, axis=1)
    counts = np.random.default_rng(0).standard_normal((_SAID, rows.shape[1])) / np.sqrt(rows.shape[1])
    found: np.ndarray = counts @ rows.T
    return found


def _go_round(count: int, is_like: Callable[[int, int], bool]) -> bool:
    """Return whether some of these are like another of them, which is like a third, and so on round.

    Those that are near each other are looked at first.
    """
    pairs = sorted(itertools.permutations(range(count), 2), key=lambda both: abs(both[0] - both[1]))
    like = [both for both in pairs[:_MOST_RUNS] if is_like(*both)]
    while like:
        # what nothing leads to, or what leads nowhere, is in no round
        begins, ends = {one for one, _ in like}, {other for _, other in like}
        left = [both for both in like if both[0] in ends and both[1] in begins]
        if left == like:
            return True
        like = left
    return False


def _shapes(one: Bridged) -> Hashable:
    return one.gap.given.shape, one.gap.call.given[0].shape, *(array.shape for array in one.kept.values())


def _makes_the_same(one: Bridged, other: Bridged, second: Changed) -> bool:
    """Return whether the second side's code before one module makes what the first's makes before another."""
    kept = dict(zip(one.kept, other.kept.values(), strict=True))
    made = second.given(one.gap.at, kept)
    wanted, tolerance = other.gap.call.given[0], other.gap.call.given_tolerance[0]
    return made is not None and layout_between(wanted, made, tolerance) is not None


def _returns_the_same(one: Found, other: Found, b: Side) -> bool:
    """Return whether the second side's module of a parting returns what the first's of another does."""
    if not len(one.given) == len(other.given) == len(other.layouts) == len(other.a.returned) == 1:
        return False
    made, layout = called_with(b, one.b, other.given[0]), other.layouts[0]
    if made is None:
        return False
    wanted = layout.applied(other.a.returned[0], made.shape)
    return close(wanted, made, other.a.returned_tolerance[0])


def _like(part: Part, given: Sequence[np.ndarray], of: Found) -> Hashable:
    """Return what has the same only for modules that compute alike with the same weights."""
    settings = settings_of(part.module, part.kind, [one.shape for one in given])
    kind = type(part.module).__name__ if part.kind is None else part.kind.name
    sizes = sorted(str(key_of(one.shape)) for one in parameters_of(part.module))
    returned = [one.size for one in of.a.returned]
    return kind, tuple(sizes), tuple(returned), repr(sorted(settings.items()))
