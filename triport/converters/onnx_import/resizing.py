"""Resize along one axis as a matrix: where each new pixel lies, and what it takes of the old ones."""

from __future__ import annotations

from typing import Any

import numpy as np


def resize_matrix(
    size: int, length: int, scale: float, how: dict[str, Any], index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of each old place in each new one, and which new places lie outside.

    Source: onnx/docs of Resize, and onnx/reference/ops/op_resize.py of onnx 1.23 where the text is silent.
    The two differ where there is one new place, with "pytorch_half_pixel" and "tf_crop_and_resize", and with
    "align_corners" where the scale gives no whole length: the text, which ONNX Runtime and PyTorch follow,
    has the length after it is cut, the reference and onnx's test data the one before. The text is followed.
    """
    places = _places(size, length, scale, how, index)
    matrix = np.zeros((length, size))
    outside = np.zeros(length, bool)
    shrunk = min(scale, 1.0) if how.get("antialias") else 1.0
    for row, x in enumerate(places):
        if how["transform"] == "tf_crop_and_resize" and not 0 <= x <= size - 1:
            outside[row] = True
            continue
        taps = _taps(x, how, shrunk)
        total = 0.0
        for place, weight in taps:
            if how.get("exclude") and not 0 <= place < size:
                continue
            matrix[row, min(max(place, 0), size - 1)] += weight
            total += weight
        if how.get("exclude") and total:
            matrix[row] /= total
    return matrix, outside


def _places(size: int, length: int, scale: float, how: dict[str, Any], index: int) -> np.ndarray:
    out = np.arange(length, dtype=np.float64)
    transform = how["transform"]
    if transform == "half_pixel":
        return (out + 0.5) / scale - 0.5
    if transform == "half_pixel_symmetric":
        return size / 2 * (1 - length / (scale * size)) + (out + 0.5) / scale - 0.5
    if transform == "pytorch_half_pixel":
        return np.zeros(1) if length == 1 else (out + 0.5) / scale - 0.5
    if transform == "align_corners":
        return np.zeros(length) if length == 1 else out * (size - 1) / (length - 1)
    if transform == "asymmetric":
        return out / scale
    if transform == "tf_half_pixel_for_nn":
        return (out + 0.5) / scale
    if transform == "tf_crop_and_resize":
        start, end = how["roi"][index]
        if length == 1:
            return np.full(1, (start + end) * (size - 1) / 2)
        return start * (size - 1) + out * (end - start) * (size - 1) / (length - 1)
    raise ValueError(transform)


def _taps(x: float, how: dict[str, Any], shrunk: float) -> list[tuple[int, float]]:
    mode = how["mode"]
    if mode == "nearest":
        kinds = {
            "round_prefer_floor": np.ceil(x - 0.5),
            "round_prefer_ceil": np.floor(x + 0.5),
            "floor": np.floor(x),
            "ceil": np.ceil(x),
        }
        return [(int(kinds[how["nearest"]]), 1.0)]
    reach = (1.0 if mode == "linear" else 2.0) / shrunk
    taps = []
    for place in range(int(np.floor(x - reach)), int(np.ceil(x + reach)) + 1):
        d = abs(x - place) * shrunk
        weight = max(1 - d, 0.0) if mode == "linear" else _cubic(d, how.get("cubic", -0.75))
        if weight:
            taps.append((place, weight))
    if shrunk != 1.0:
        total = sum(w for _, w in taps)
        taps = [(p, w / total) for p, w in taps]
    return taps


def _cubic(d: float, a: float) -> float:
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a if d < 2 else 0.0
