"""Factors by which the channels of a value are told apart in what code makes of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BASE = 4


def scales(length: int) -> Iterator[list[np.ndarray]]:
    """Yield ways to give every channel factors that no other has: each is one or several rows of factors.

    The first way is one row of any factors. Code that rounds to fewer bits, as to float16, keeps only powers
    of two: the second way is a row for each digit of the channel's number.
    """
    yield [np.random.default_rng(length).uniform(0.5, 2, length)]
    channels, step = np.arange(length), 1
    rows: list[np.ndarray] = []
    while not rows or step < length:
        rows.append(2.0 ** (channels // step % _BASE - 1))
        step *= _BASE
    yield rows


def times(array: np.ndarray, factors: np.ndarray, axis: int) -> np.ndarray:
    """Return an array with each channel times its factor."""
    shape = [1] * array.ndim
    shape[axis] = -1
    found: np.ndarray = np.asarray(array, np.float64) * factors.reshape(shape)
    return found
