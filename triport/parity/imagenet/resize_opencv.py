"""Resizing as OpenCV does it on bytes: fixed point, 2 x 2 or 4 x 4 neighbours, no antialiasing.

MindSpore's `vision.Resize` gives the same bytes for arrays. Written from the methods' description
(11-bit coefficients, rows shifted before they are weighted; cubic convolution with a = -0.75) and
checked against both.
"""

from __future__ import annotations

import numpy as np

_ONE = 2048  # 11-bit coefficients

# left, top, right and bottom of the part of the resized image that is wanted
Part = tuple[int, int, int, int]


def resize_bilinear(pixels: np.ndarray, width: int, height: int, part: Part | None = None) -> np.ndarray:
    """Return `pixels`, (H, W, C) uint8, resized to (height, width, C) uint8, or that part of it."""
    left, top, right, bottom = part or (0, 0, width, height)
    if pixels.shape[0] == 2 * height and pixels.shape[1] == 2 * width:
        return _halved(pixels[2 * top : 2 * bottom, 2 * left : 2 * right])
    before, after, after_weight = _neighbours(pixels.shape[1], width, range(left, right), clamp_weight=True)
    above, below, below_weight = _neighbours(pixels.shape[0], height, range(top, bottom), clamp_weight=False)
    rows, row_of = np.unique(np.concatenate([above, below]), return_inverse=True)
    source = pixels[rows].astype(np.int32)
    before_weights, after_weights = _fixed(after_weight)
    mixed = source[:, before] * before_weights[:, None] + source[:, after] * after_weights[:, None]
    mixed >>= 4
    above_weights, below_weights = (w[:, None, None] for w in _fixed(below_weight))
    upper = (mixed[row_of[: len(above)]] * above_weights) >> 16
    lower = (mixed[row_of[len(above) :]] * below_weights) >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def resize_bicubic(pixels: np.ndarray, width: int, height: int, part: Part | None = None) -> np.ndarray:
    """Return `pixels`, (H, W, C) uint8, resized to (height, width, C) uint8, or that part of it."""
    left, top, right, bottom = part or (0, 0, width, height)
    columns, column_weights = _cubic(pixels.shape[1], width, range(left, right))
    lines, line_weights = _cubic(pixels.shape[0], height, range(top, bottom))
    rows, row_of = np.unique(lines, return_inverse=True)
    row_of = row_of.reshape(lines.shape)
    source = pixels[rows].astype(np.int32)
    mixed = sum(source[:, columns[:, k]] * column_weights[:, k, None] for k in range(4))
    # OpenCV's vector units weight the rows in single precision
    scaled = line_weights.astype(np.float32) * np.float32(1 / _ONE**2)
    mixed = np.asarray(mixed, np.float32)
    total = mixed[row_of[:, 3]] * scaled[:, 3, None, None]
    for k in (2, 1, 0):
        total += mixed[row_of[:, k]] * scaled[:, k, None, None]
    return np.rint(total).clip(0, 255).astype(np.uint8)


def _cubic(size: int, new_size: int, wanted: range) -> tuple[np.ndarray, np.ndarray]:
    """Return four source indices of each wanted one, (wanted, 4), and their weights as 11-bit integers."""
    centres = _centres(size, new_size, wanted)
    first = np.floor(centres)
    x, one, a = centres - first, np.float32(1), np.float32(-0.75)
    outer = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    inner = ((a + 2) * x - (a + 3)) * x * x + one
    mirrored = ((a + 2) * (one - x) - (a + 3)) * (one - x) * (one - x) + one
    weights = np.stack([outer, inner, mirrored, one - outer - inner - mirrored], axis=1).astype(np.float32)
    indices = first.astype(np.int64)[:, None] + np.arange(-1, 3)
    return indices.clip(0, size - 1), np.rint(weights * np.float32(_ONE)).astype(np.int32)


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of each 2 x 2 block, which OpenCV takes where both sides halve exactly."""
    blocks = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, -1).astype(np.int32)
    return ((blocks.sum((1, 3)) + 2) >> 2).astype(np.uint8)


def _neighbours(
    size: int, new_size: int, wanted: range, *, clamp_weight: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both source indices of each wanted one and the weight of the second, float32."""
    centres = _centres(size, new_size, wanted)
    first = np.floor(centres).astype(np.int64)
    weight = centres - first.astype(np.float32)
    if clamp_weight:
        weight[(first < 0) | (first >= size - 1)] = 0
    return first.clip(0, size - 1), (first + 1).clip(0, size - 1), weight


def _centres(size: int, new_size: int, wanted: range) -> np.ndarray:
    """Return where the wanted ones of `new_size` pixels lie among `size`, float32."""
    return ((np.arange(wanted.start, wanted.stop) + 0.5) * (size / new_size) - 0.5).astype(np.float32)


def _fixed(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the first and of the second neighbour as 11-bit integers."""
    second = np.rint(weight * np.float32(_ONE)).astype(np.int32)
    first = np.rint((np.float32(1) - weight) * np.float32(_ONE)).astype(np.int32)
    return first, second
