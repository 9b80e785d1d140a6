"""Bilinear resizing as OpenCV does it on bytes: fixed point, four neighbours, no antialiasing.

MindSpore's `vision.Resize(BILINEAR)` gives the same bytes. Written from the method's description
(11-bit coefficients, rows shifted before they are weighted) and checked against MindSpore.
"""

from __future__ import annotations

import numpy as np

_ONE = 2048  # 11-bit coefficients


def resize_bilinear(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return `pixels`, (H, W, C) uint8, resized to (height, width, C) uint8."""
    if pixels.shape[0] == 2 * height and pixels.shape[1] == 2 * width:
        return _halved(pixels)
    left, right, right_weight = _neighbours(pixels.shape[1], width, clamp_weight=True)
    above, below, below_weight = _neighbours(pixels.shape[0], height, clamp_weight=False)
    rows, row_of = np.unique(np.concatenate([above, below]), return_inverse=True)
    source = pixels[rows].astype(np.int32)
    left_weights, right_weights = _fixed(right_weight)
    mixed = source[:, left] * left_weights[:, None] + source[:, right] * right_weights[:, None]
    mixed >>= 4
    above_weights, below_weights = (w[:, None, None] for w in _fixed(below_weight))
    upper = (mixed[row_of[:height]] * above_weights) >> 16
    lower = (mixed[row_of[height:]] * below_weights) >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of each 2 x 2 block, which OpenCV takes where both sides halve exactly."""
    blocks = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, -1).astype(np.int32)
    return ((blocks.sum((1, 3)) + 2) >> 2).astype(np.uint8)


def _neighbours(size: int, new_size: int, *, clamp_weight: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both source indices of each new one and the weight of the second, float32."""
    centres = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    first = np.floor(centres).astype(np.int64)
    weight = centres - first.astype(np.float32)
    if clamp_weight:
        weight[(first < 0) | (first >= size - 1)] = 0
    return first.clip(0, size - 1), (first + 1).clip(0, size - 1), weight


def _fixed(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the first and of the second neighbour as 11-bit integers."""
    second = np.rint(weight * np.float32(_ONE)).astype(np.int32)
    first = np.rint((np.float32(1) - weight) * np.float32(_ONE)).astype(np.int32)
    return first, second
