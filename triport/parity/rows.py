"""Whether a network computes each row of its input by itself: measured, where nobody has said so."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from triport.reference_models.network import Arrays, Network, RowAxes

from .judge.difference import distance, largest_value, relative

# of float64, whose own roundings are 1e-16 of a value
_EQUAL = 1e-9


class RunsFeed(Protocol):
    """What runs a feed."""

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        ...


def rows_of(
    network: Network, runner: RunsFeed, feed: Arrays, outputs: Arrays, equal: float = _EQUAL
) -> RowAxes | None:
    """Return where the rows of a network lie; None where it has none that it computes by themselves.

    The first free axis is tried: what comes out for its first index alone must be what came out for it among
    all.

    Args:
        network: its `rows` are returned where they are known.
        runner: of the network, in float64.
        feed: that has been run.
        outputs: what came out.
        equal: how near, relative to the largest value.
    """
    if network.rows is not None or not network.free_axes:
        return network.rows
    axis = network.free_axes[0]
    inputs = {given.name: given.shape.index(axis) for given in network.inputs if axis in given.shape}
    tried = RowAxes(inputs, {})
    count = tried.count(feed)
    if count == 1:
        feed = tried.take(feed, [0, 0])
        outputs, count = runner.run(feed), 2
    try:
        one = runner.run(tried.take(feed, [0]))
    except Exception:  # a network may need more than one: that is no fault of it
        return None
    found: dict[str, int] = {}
    for name, array in outputs.items():
        at = _axis(array, one[name], count)
        if at is None or not _same(array.take([0], at), one[name], equal):
            return None
        found[name] = at
    return RowAxes(inputs, found)


def _axis(many: np.ndarray, one: np.ndarray, count: int) -> int | None:
    """Return the one axis that has `count` of what the other has one of."""
    if many.ndim != one.ndim:
        return None
    other = [
        index for index, sides in enumerate(zip(many.shape, one.shape, strict=True)) if sides[0] != sides[1]
    ]
    return other[0] if len(other) == 1 and (many.shape[other[0]], one.shape[other[0]]) == (count, 1) else None


def _same(a: np.ndarray, b: np.ndarray, equal: float) -> bool:
    return relative(distance(a, b), largest_value(a)) <= equal
