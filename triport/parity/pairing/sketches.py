"""Gradients in a few numbers each, so that many can be compared: random projections of every axis.

Axes of one size are projected alike, so that the sketch of a transposed gradient is the transposed sketch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

# how many projections an axis has, by the number of axes
_PROJECTIONS = {1: 64, 2: 10, 3: 6, 4: 4}


@cache
def _projection(size: int, count: int) -> np.ndarray:
    if size <= count:
        return np.eye(size)
    random = np.random.default_rng([size, count])
    found: np.ndarray = random.standard_normal((size, count)) / np.sqrt(count)
    return found


def sketch(gradient: np.ndarray) -> np.ndarray:
    """Return the sketch of a squeezed gradient, in float64."""
    found = np.asarray(gradient)
    count = _PROJECTIONS.get(found.ndim, 3)
    for _ in range(found.ndim):
        # the first axis goes, its projection comes last: after all of them the order is as it was
        projection = _projection(found.shape[0], count)
        found = np.tensordot(found, projection.astype(found.dtype), (0, 0))
    return np.asarray(found, np.float64)


def distances(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """Return |x - y| / (|x| + |y|) of every sketch of `a` with every one of `b`: 0 for equal, 1 for unlike.

    Two that are zero have distance 1: nothing says that they belong together.
    """
    rows, columns = (np.stack([one.reshape(-1) for one in side]) for side in (a, b))
    size_a, size_b = (np.linalg.norm(side, axis=1) for side in (rows, columns))
    found = np.ones((len(rows), len(columns)))
    for place, row in enumerate(rows):  # differences themselves: a difference of squares cancels
        apart = np.linalg.norm(columns - row, axis=1)
        total = size_a[place] + size_b
        found[place] = np.divide(apart, total, out=np.ones_like(apart), where=total > 0)
    return found
