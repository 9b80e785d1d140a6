"""Resize as ONNX defines it, for sizes that are known at run time only."""

import math
from typing import NamedTuple

import numpy as np
from mindspore import Tensor, ops


class Resampling(NamedTuple):
    """How an axis is resized, in ONNX's words."""

    mode: str = "nearest"
    transform: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75
    exclude: bool = False
    antialias: bool = False


def resize_lengths(
    x: Tensor, axes: tuple[int, ...], sizes: tuple[int, ...], policy: str
) -> tuple[list[float], list[int]]:
    """Return the scales that give these sizes, and the lengths of the axes then."""
    scales = [n / x.shape[a] for a, n in zip(axes, sizes)]
    if policy == "stretch":
        return scales, list(sizes)
    ratio = min(scales) if policy == "not_larger" else max(scales)
    return [ratio] * len(axes), [math.floor(ratio * x.shape[a] + 0.5) for a in axes]


def resize(
    x: Tensor,
    axes: tuple[int, ...],
    how: Resampling,
    scales: list[float] | None = None,
    sizes: tuple[int, ...] = (),
    policy: str = "stretch",
) -> Tensor:
    """Resize axes by scales, or to sizes, one axis after the other."""
    if scales is None:
        scales, lengths = resize_lengths(x, axes, sizes, policy)
    else:
        lengths = [math.floor(x.shape[a] * s) for a, s in zip(axes, scales)]
    for i, axis in enumerate(axes):
        if scales[i] == 1 and lengths[i] == x.shape[axis]:
            continue
        places = resize_places(x.shape[axis], lengths[i], scales[i], how.transform)
        shrunk = min(scales[i], 1.0) if how.antialias else 1.0
        matrix = resize_weights(places, x.shape[axis], how, shrunk)
        if how.mode == "nearest":
            x = ops.gather(x, Tensor(matrix.argmax(axis=1)), axis)
        else:
            weights = Tensor(matrix.T.astype(np.float32)).to(x.dtype)
            x = ops.movedim(ops.matmul(ops.movedim(x, axis, -1), weights), -1, axis)
    return x


def resize_places(size: int, length: int, scale: float, transform: str) -> np.ndarray:
    """Return where each new pixel lies among the old ones."""
    out = np.arange(length, dtype=np.float64)
    if transform == "half_pixel" or (transform == "pytorch_half_pixel" and length > 1):
        return (out + 0.5) / scale - 0.5
    if transform == "half_pixel_symmetric":
        return size / 2 * (1 - length / (scale * size)) + (out + 0.5) / scale - 0.5
    if transform == "pytorch_half_pixel":
        return out
    if transform == "align_corners":
        return out if length == 1 else out * (size - 1) / (length - 1)
    return (out + 0.5) / scale if transform == "tf_half_pixel_for_nn" else out / scale


def resize_weights(places: np.ndarray, size: int, how: Resampling, shrunk: float) -> np.ndarray:
    """Return the weight of each old pixel in each new one."""
    matrix = np.zeros((len(places), size))
    rows = np.arange(len(places))
    if how.mode == "nearest":
        kinds = {
            "floor": np.floor(places),
            "ceil": np.ceil(places),
            "round_prefer_ceil": np.floor(places + 0.5),
        }
        taken = kinds.get(how.nearest, np.ceil(places - 0.5))
        matrix[rows, taken.astype(np.int64).clip(0, size - 1)] = 1
        return matrix
    cubic = how.cubic
    reach = math.ceil((1 if how.mode == "linear" else 2) / shrunk)
    for step in range(-reach, reach + 1):
        tap = np.floor(places) + step
        d = np.abs(places - tap) * shrunk
        if how.mode == "linear":
            weight = (1 - d).clip(min=0)
        else:
            near = ((cubic + 2) * d - (cubic + 3)) * d * d + 1
            far = ((cubic * d - 5 * cubic) * d + 8 * cubic) * d - 4 * cubic
            weight = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
        if how.exclude:
            weight = weight * ((tap >= 0) & (tap < size))
        np.add.at(matrix, (rows, tap.astype(np.int64).clip(0, size - 1)), weight)
    return matrix / matrix.sum(axis=1, keepdims=True) if how.exclude or shrunk != 1 else matrix
