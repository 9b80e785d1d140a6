"""Channels with which one side does what the other does with other channels: weights may have changed places.

A matrix may hold what two branches need, each as a block of its rows. A map that gives each branch the
other's block makes the code behind it part, or a module of the user's own, with a difference that is true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from triport.reference_models.modules import parameters_of

from .beside import Found
from .changed import Changed
from .gap import Gap, MadeOf
from .observed import called_with
from .settings import group_of
from .sides import Side

# numbers that say of what is made of a channel whether it is the same
_NUMBERS = 8
# how many times what is allowed of single values
_OF_SUMS = 10
# groups of layers that do the same with every channel
_ALIKE = frozenset({"activation", "pool", "upsample", "dropout"})

# returns the array that is made on either side of what the channels are given, times a factor
_Made = Callable[[int, float], np.ndarray | None]


def channels_are_crossed(
    gap: Gap,
    sides: tuple[Changed, Changed],
    made_of: tuple[MadeOf, MadeOf],
) -> bool:
    """Return whether the second side's code makes of channels that part what the first's makes of others.

    All channels are given the same values, so that all that differs is what code does with each.

    Args:
        gap: what is made.
        sides: with other parameters and inputs; they keep channels apart.
        made_of: of which values either makes it.
    """
    if gap.channels is None or gap.size is None:
        return False
    size, first = gap.size, made_of[0]
    chosen = _largest([(array, first.axes[one]) for one, array in first.values.items()], size)

    def made(place: int, factor: float) -> np.ndarray | None:
        values = made_of[place].with_one_channel(size, chosen, factor)
        return sides[place].given((gap.call.call, gap.at)[place], values)

    return _are_like_others(made, gap.channels, gap.call.given_tolerance[0])


def modules_cross_channels(found: Sequence[Found], a: Side, b: Side) -> bool:
    """Return whether a module of the user's own does so that parts, and has no parameters."""
    return any(_crosses(one, a, b) for one in found)


def _crosses(one: Found, a: Side, b: Side) -> bool:
    kinds = group_of(one.a.part.kind), group_of(one.b.kind)
    if all(kind in _ALIKE for kind in kinds) or parameters_of(one.b.module):
        return False
    given, returned = one.a.given, one.a.returned
    if not len(given) == len(returned) == len(one.given) == len(one.layouts) == 1:
        return False
    if one.layouts[0].is_turned or given[0].shape != one.given[0].shape:
        return False
    for axis in range(1, given[0].ndim):
        size = given[0].shape[axis]
        if size < 2 or axis >= returned[0].ndim or size % returned[0].shape[axis]:
            continue
        size = returned[0].shape[axis]
        kept, chosen = MadeOf({0: given[0]}, {0: axis}), _largest([(given[0], axis)], size)

        def made(
            place: int, factor: float, kept: MadeOf = kept, size: int = size, chosen: int = chosen
        ) -> np.ndarray | None:
            side, part = ((a, one.a.part), (b, one.b))[place]
            value = kept.with_one_channel(size, chosen, factor)[0]
            return called_with(side, part, value.astype(one.given[0].dtype))

        if _are_like_others(made, (axis, axis), one.a.returned_tolerance[0]):
            return True
    return False


def _are_like_others(made: _Made, axes: tuple[int, int], tolerance: float) -> bool:
    """Return whether what the second side makes of channels is what the first makes of others that part."""
    told: list[list[np.ndarray]] = [[], []]
    for factor in (1.0, -1.0):
        both = made(0, factor), made(1, factor)
        if any(one is None or not np.isfinite(one).all() for one in both):
            continue
        is_direct = axes[0] == axes[1] and both[0].shape == both[1].shape  # type: ignore[union-attr]
        for place, one in enumerate(both):
            told[place].append(_told(one, axes[place], is_direct))  # type: ignore[arg-type]
    if not told[0] or any(one.shape != other.shape for one, other in zip(*told, strict=True)):
        return False
    first, second = (np.concatenate(one) for one in told)
    allowed = _OF_SUMS * tolerance * np.abs(first).max(initial=0.0)
    like = _alike(second, first, allowed)
    differ = ~like.diagonal()
    # of channels that part one would not, if it had the place of another that does; or each is another on
    # either side, and nothing tells whose is whose
    any_ = ~_alike(first, first, allowed) & ~_alike(second, second, allowed)
    return bool(((like | any_) & differ & differ[:, None]).any())


def _alike(one: np.ndarray, other: np.ndarray, allowed: float) -> np.ndarray:
    """Return, by channel of one side, which channels of the other it is the same as."""
    found: np.ndarray = np.all(np.abs(one[:, :, None] - other[:, None, :]) <= allowed, axis=0)
    return found


def _largest(arrays: Sequence[tuple[np.ndarray, int]], size: int) -> int:
    """Return the channel, of so many in each block, with the largest values in arrays with these axes."""
    total = np.zeros(size)
    for array, axis in arrays:
        rows = np.moveaxis(np.asarray(array, np.float64), axis, 0)
        total += np.square(rows.reshape(-1, size, array.size // array.shape[axis])).sum((0, 2))
    return int(total.argmax())


def _told(made: np.ndarray, axis: int, is_direct: bool) -> np.ndarray:
    """Return numbers by channel that are the same where the same is made, in any order unless direct."""
    rows = np.moveaxis(made, axis, 0).reshape(made.shape[axis], -1).astype(np.float64)
    rows = rows if is_direct else np.sort(rows, axis=1)
    counts = np.random.default_rng(0).standard_normal((_NUMBERS, rows.shape[1])) / np.sqrt(rows.shape[1])
    found: np.ndarray = counts @ rows.T
    return found
