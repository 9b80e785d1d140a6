"""Indices that MindSpore writes out for every element, read back as places along each axis.

x[:, 2:4] and x[:, [0, 2]] become the index of every element, for the batch size that was traced. Where these
indices span a box, it is enough to say which places of each axis are meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .free_batch import FreeBatch
from .values import TypedValue


def keeps_batch(builder: FreeBatch, x: TypedValue, picks: Mapping[int, Sequence[int]]) -> bool:
    """Return whether all images are written to: the places of the batch axis are not known."""
    return all(
        list(pick) == list(range(x.shape[axis])) or not builder.holds_batch(x, axis)
        for axis, pick in picks.items()
    )


def find_box(index: np.ndarray, shape: Sequence[int]) -> tuple[dict[int, list[int]], list[int | None]] | None:
    """Return which places of each axis the indices name, and which axis of the indices runs along each.

    None if they do not span a box: a place of an axis must depend on one axis of the indices alone.
    """
    *spans, count = index.shape
    if not 0 < count <= len(shape) or 0 in spans:
        return None
    picks: dict[int, list[int]] = {}
    order: list[int | None] = []
    free = [axis for axis, size in enumerate(spans) if size > 1]
    for place in range(count):
        part = index[..., place]
        for axis in free:
            first = part[tuple(slice(None) if other == axis else slice(0, 1) for other in range(len(spans)))]
            if first.min() != first.max() and bool(np.all(part == first)):
                order.append(axis)
                free.remove(axis)
                picks[place] = (first.ravel() % shape[place]).tolist()
                break
        else:
            if part.min() != part.max():
                return None
            order.append(None)
            picks[place] = [int(part.flat[0]) % shape[place]]
    return None if free else (picks, order)
