"""Plans in which a dense layer is given what is flattened in another order: channels first or last."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from triport.converters.naming.step import Step
from triport.converters.naming.steps import Regroup

from .pieces import Key, Parameters, Plan, key_of, viewed
from .sides import SideParameter

_MOST_ORDERS, _MOST_OF_THREE = 12, 24
_MOST_SIZES = 4  # heights and widths of one length
_MOST_OFF = 0.3  # how far from the proportion of the input's, where there is much to run

Order = tuple[tuple[int, ...], tuple[int, ...]]


def flattened_plans(
    a: Parameters, b: Parameters, first: Plan, feed: Sequence[np.ndarray], is_small: bool
) -> Iterator[Plan]:
    """Yield plans in which a dense layer of the second side is given what it flattens in another order.

    Its inputs are channels x the rest, or the rest x channels, and the rest may be height x width; channels
    are what convolutions return.

    Args:
        a: the parameters of one side.
        b: those of the other.
        first: with the cuts that the shapes ask for.
        feed: the inputs, whose height and width the rest is likely to be in proportion to.
        is_small: whether every order may be tried.
    """
    channels = sorted({one.shape[0] for one in (*a.values(), *b.values()) if len(one.shape) > 2})
    channels += sorted({one.shape[1] for one in a.values() if len(one.shape) > 3} - {*channels})
    seen = viewed(b, first.views_b)
    classes: dict[Key, list[str]] = defaultdict(list)
    for name, one in seen.items():
        # a kernel of 1x1 is given an image, which nothing has flattened
        if len(one.shape) == len(key_of(one.shape)) == 2 and name not in first.b:
            classes[key_of(one.shape)].append(name)
    axes = [
        (names, length)
        for key, names in sorted(classes.items(), key=lambda item: len(item[1]))
        for length in dict.fromkeys(key)
    ]
    of_two = ((*one, order) for one in axes for order in _of_two(one[1], channels))
    of_three = ((*one, order) for one in axes for order in _of_three(one[1], channels, feed, is_small))
    every = itertools.chain(
        itertools.islice(of_two, _MOST_ORDERS), itertools.islice(of_three, _MOST_OF_THREE)
    )
    for names, length, (sizes, order) in every:
        what = f"{length} inputs as {' x '.join(map(str, sizes))} by {' '.join(map(str, order))}"
        views = {**first.views_b, **_views(seen, first, names, length, (sizes, order))}
        yield replace(first, what=what, views_b=views)


def _views(
    seen: Parameters, first: Plan, names: Sequence[str], length: int, order: Order
) -> dict[str, tuple[Step, ...]]:
    found: dict[str, tuple[Step, ...]] = {}
    for name, one in seen.items():
        if _is_norm(one) and one.shape == (length,):
            found[name] = (*first.views_b.get(name, ()), Regroup(0, *order))
    for name in names:
        axis = seen[name].shape.index(length)
        # a layer whose outputs are laid out as an image: its bias goes with its weight
        biases = () if axis else biases_of(seen, name, length)
        for other in (name, *biases):
            found[other] = (*first.views_b.get(other, ()), Regroup(axis, *order))
    return found


def _of_two(length: int, channels: Sequence[int]) -> Iterator[Order]:
    for count in channels:
        rest, more = divmod(length, count)
        if not more and rest > 1 and count > 1:
            yield (rest, count), (1, 0)
            yield (count, rest), (1, 0)


def _of_three(
    length: int, channels: Sequence[int], feed: Sequence[np.ndarray], is_small: bool
) -> Iterator[Order]:
    """Yield orders that tell height and width apart, the likeliest first."""
    ratios = [one.shape[2] / one.shape[3] for one in feed if one.ndim == 4]
    for count in channels:
        rest, more = divmod(length, count)
        if more or count < 2:
            continue
        sizes = [(count, high, rest // high) for high in range(2, rest // 2 + 1) if rest % high == 0]
        off = {one: min((abs(one[1] / one[2] / ratio - 1) for ratio in ratios), default=0.0) for one in sizes}
        sizes.sort(key=off.__getitem__)
        likely = sizes[:_MOST_SIZES] if is_small else [one for one in sizes[:1] if off[one] < _MOST_OFF]
        for before, after in itertools.islice(_changes(), None if is_small else 4):
            for one in likely:
                yield tuple(one[axis] for axis in before), tuple(before.index(axis) for axis in after)


def _changes() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield orders of channels, height and width on the second side and on the first.

    Height and width are neighbours in the same order on both sides in what `_of_two` has.
    """
    channels_first = (0, 1, 2), (1, 2, 0), (0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 0, 1)
    for after, before in itertools.product(channels_first, channels_first):
        if before != after and not {before, after} <= {*channels_first[:2]}:
            yield before, after


def _is_norm(one: SideParameter) -> bool:
    """Whether it is a factor, a shift or a statistic of a norm, which is given what was flattened."""
    return one.role in ("scale", "norm shift", "mean", "variance")


def biases_of(parameters: Parameters, weight: str, length: int) -> tuple[str, ...]:
    """Return the vectors of this length in the layer of a weight."""
    owner = parameters[weight].owner
    return tuple(name for name, one in parameters.items() if one.owner == owner and one.shape == (length,))
