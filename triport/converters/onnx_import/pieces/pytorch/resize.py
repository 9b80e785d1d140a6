"""Resize as ONNX defines it, for sizes that are known at run time only."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Resampling(NamedTuple):
    """How an axis is resized, in ONNX's words."""

    mode: str = "nearest"
    transform: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75
    exclude: bool = False
    antialias: bool = False
    region: list[float] | None = None
    outside: float = 0.0


def resize_lengths(
    x: Tensor, axes: tuple[int, ...], sizes: tuple[int, ...], policy: str
) -> tuple[list[float], list[int]]:
    """Return the scales that give these sizes, and the lengths of the axes then."""
    scales = [n / x.shape[a] for a, n in zip(axes, sizes, strict=True)]
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
        lengths = [math.floor(x.shape[a] * s) for a, s in zip(axes, scales, strict=True)]
    beyond = None
    for i, axis in enumerate(axes):
        ends = (0.0, 1.0) if how.region is None else (how.region[i], how.region[len(axes) + i])
        if scales[i] == 1 and lengths[i] == x.shape[axis] and ends == (0.0, 1.0):
            continue
        places = resize_places(x.shape[axis], lengths[i], scales[i], how.transform, ends).to(x.device)
        shrunk = min(scales[i], 1.0) if how.antialias else 1.0
        matrix = resize_weights(places, x.shape[axis], how, shrunk)
        missing = (places < 0) | (places > x.shape[axis] - 1)
        if how.mode == "nearest":
            x = x.index_select(axis, matrix.argmax(dim=1))
        else:
            x = (x.movedim(axis, -1) @ matrix.T.to(x.dtype)).movedim(-1, axis)
        if how.transform == "tf_crop_and_resize":
            missing = missing.reshape(-1, *[1] * (x.dim() - 1 - axis))
            beyond = missing if beyond is None else beyond | missing
    return x if beyond is None else x.masked_fill(beyond, how.outside)


def resize_places(size: int, length: int, scale: float, transform: str, ends: tuple[float, float]) -> Tensor:
    """Return where each new pixel lies among the old ones."""
    out = torch.arange(length, dtype=torch.float64)
    if transform == "half_pixel" or (transform == "pytorch_half_pixel" and length > 1):
        return (out + 0.5) / scale - 0.5
    if transform == "half_pixel_symmetric":
        return size / 2 * (1 - length / (scale * size)) + (out + 0.5) / scale - 0.5
    if transform == "pytorch_half_pixel":
        return out
    if transform == "align_corners":
        return out if length == 1 else out * (size - 1) / (length - 1)
    if transform == "tf_crop_and_resize":
        start, end = ends
        if length == 1:
            return out + (start + end) * (size - 1) / 2
        return start * (size - 1) + out * (end - start) * (size - 1) / (length - 1)
    return (out + 0.5) / scale if transform == "tf_half_pixel_for_nn" else out / scale


def resize_weights(places: Tensor, size: int, how: Resampling, shrunk: float) -> Tensor:
    """Return the weight of each old pixel in each new one."""
    matrix = torch.zeros(len(places), size, dtype=torch.float64, device=places.device)
    if how.mode == "nearest":
        kinds = {"floor": places.floor(), "ceil": places.ceil(), "round_prefer_ceil": (places + 0.5).floor()}
        taken = kinds.get(how.nearest, (places - 0.5).ceil())
        return matrix.scatter(1, taken.long().clamp(0, size - 1)[:, None], 1.0)
    cubic = how.cubic
    reach = math.ceil((1 if how.mode == "linear" else 2) / shrunk)
    for step in range(-reach, reach + 1):
        tap = places.floor() + step
        d = (places - tap).abs() * shrunk
        if how.mode == "linear":
            weight = (1 - d).clamp(min=0)
        else:
            near = ((cubic + 2) * d - (cubic + 3)) * d * d + 1
            far = ((cubic * d - 5 * cubic) * d + 8 * cubic) * d - 4 * cubic
            weight = torch.where(d <= 1, near, torch.where(d < 2, far, 0.0))
        if how.exclude:
            weight = weight * ((tap >= 0) & (tap < size))
        matrix.scatter_add_(1, tap.long().clamp(0, size - 1)[:, None], weight[:, None])
    return matrix / matrix.sum(dim=1, keepdim=True) if how.exclude or shrunk != 1 else matrix
