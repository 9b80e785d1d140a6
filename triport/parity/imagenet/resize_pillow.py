"""A part of what Pillow's `resize` gives where an image grows, byte for byte, without the rest of it.

A thin image resized by its short side has a long side of millions of pixels, of which the crop needs a few
hundred. Pillow's own `box=` rounds otherwise. Written from the description of its resampling: a triangle or
cubic (a = -0.5) filter; weights normalised in double precision and rounded to 22 bits; along the rows first,
rounded to bytes between both passes. Where a side shrinks, Pillow widens the filter and may take the
columns first: that is left to Pillow, whose result is then no larger than the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_BITS = 22


def resize_part(
    pixels: np.ndarray, size: tuple[int, int], part: tuple[int, int, int, int], interpolation: str
) -> np.ndarray:
    """Return a part of `pixels`, (H, W, C) uint8, as resized to `size`.

    `size` is (width, height), neither smaller than that of `pixels`; `part` is (left, top, right, bottom).
    """
    left, top, right, bottom = part
    support, weight = _FILTERS[interpolation]
    columns, column_weights = _taps(pixels.shape[1], size[0], range(left, right), support, weight)
    rows, row_weights = _taps(pixels.shape[0], size[1], range(top, bottom), support, weight)
    first = int(rows.min())
    source = pixels[first : int(rows.max()) + 1]
    wide = _weighted([source[:, column] for column in columns.T], column_weights.T[:, None, :, None])
    return _weighted([wide[row - first] for row in rows.T], row_weights.T[:, :, None, None])


def _weighted(parts: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    total = np.full(np.broadcast_shapes(parts[0].shape, weights[0].shape), 1 << (_BITS - 1), np.int64)
    for part, weight in zip(parts, weights, strict=True):
        total += part * weight
    return (total >> _BITS).clip(0, 255).astype(np.uint8)


def _taps(
    size: int, new_size: int, wanted: range, support: float, weight: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the source indices of each wanted pixel, (wanted, taps), and their weights as integers."""
    centres = (np.arange(wanted.start, wanted.stop) + 0.5) * (size / new_size)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    end = np.minimum((centres + support + 0.5).astype(np.int64), size)
    places = first[:, None] + np.arange(int((end - first).max()))
    weights = weight(places - centres[:, None] + 0.5)
    weights[places >= end[:, None]] = 0
    total = np.zeros(len(centres))
    for tap in range(weights.shape[1]):  # one after the other, as doubles are added there
        total += weights[:, tap]
    weights /= np.where(total == 0, 1, total)[:, None]
    rounded = np.trunc(weights * (1 << _BITS) + np.where(weights < 0, -0.5, 0.5)).astype(np.int64)
    return places.clip(0, size - 1), rounded


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(x: np.ndarray) -> np.ndarray:
    a, x = -0.5, np.abs(x)
    inner = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, inner, np.where(x < 2.0, outer, 0.0))


_FILTERS = {"bilinear": (1.0, _triangle), "bicubic": (2.0, _cubic)}
