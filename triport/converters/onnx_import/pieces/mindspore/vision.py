"""Boxes, and sampling."""

import math

import mindspore
import numpy as np
from mindspore import Tensor, ops

from .axes import pad_or_cut


def non_max_suppression(
    boxes: Tensor, scores: Tensor, most: int, overlap: float, threshold: float | None, centres: bool
) -> Tensor:
    """Return (image, class, box) of the best boxes that overlap no better one by more than `overlap`.

    How many these are is known only once they are found, so that NumPy finds them; nothing is trained by it.
    """
    corners, values = boxes.asnumpy(), scores.asnumpy()
    if centres:
        middle, half = corners[..., :2], corners[..., 2:] / 2
        corners = np.concatenate((middle - half, middle + half), axis=-1)
    low, high = np.minimum(corners[..., :2], corners[..., 2:]), np.maximum(corners[..., :2], corners[..., 2:])
    area = np.prod(high - low, axis=-1)
    found = []
    for image in range(values.shape[0]):
        for kind in range(values.shape[1]):
            kept: list[int] = []
            for box in np.argsort(-values[image, kind], kind="stable").tolist():
                if len(kept) >= most or (threshold is not None and values[image, kind, box] <= threshold):
                    break
                sides = np.minimum(high[image, box], high[image, kept]) - np.maximum(
                    low[image, box], low[image, kept]
                )
                shared = np.prod(np.maximum(sides, 0), axis=-1)
                union = area[image, box] + area[image, kept] - shared
                if not np.any((shared > 0) & (shared > overlap * union)):
                    kept.append(box)
            found += [(image, kind, box) for box in kept]
    return Tensor(np.array(found, np.int64).reshape(-1, 3), dtype=mindspore.int64)


def grid_sample(x: Tensor, grid: Tensor, mode: str, padding: str, corners: bool) -> Tensor:
    """Return pixels at the places of a grid, whose last axis counts from the last axis of the image on."""
    sizes = x.shape[2:]
    flat, points = x.reshape(*x.shape[:2], -1), grid.reshape(grid.shape[0], -1, len(sizes))
    taps = [(ops.zeros(points.shape[:2], mindspore.int64), ops.ones(points.shape[:2], x.dtype))]
    for axis, size in enumerate(sizes):
        place = points[..., len(sizes) - 1 - axis]
        place = (place + 1) / 2 * (size - 1) if corners else ((place + 1) * size - 1) / 2
        if mode != "bicubic":
            place = place_inside(place, size, padding, corners)
        steps = pixel_weights(place, mode)
        if mode == "bicubic":
            steps = [(place_inside(at, size, padding, corners), weight) for at, weight in steps]
        inside = [(at, weight * ((at >= 0) & (at <= size - 1)).to(x.dtype)) for at, weight in steps]
        taps = [
            (index * size + ops.clamp(at, 0, size - 1).to(mindspore.int64), share * weight)
            for index, share in taps
            for at, weight in inside
        ]
    found = ops.zeros((*flat.shape[:2], points.shape[1]), x.dtype)
    for index, share in taps:
        places = ops.broadcast_to(index.unsqueeze(1), (*flat.shape[:2], index.shape[1]))
        found = found + ops.gather_elements(flat, 2, places) * share.unsqueeze(1)
    return found.reshape(*x.shape[:2], *grid.shape[1:-1])


def place_inside(place: Tensor, size: int, padding: str, corners: bool) -> Tensor:
    """Return places brought into the image: to its border, or turned back there as often as it takes."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        first, span = (0.0, size - 1) if corners else (-0.5, size)
        if span == 0:
            return ops.zeros_like(place)
        away = ops.abs(place - first)
        turns = ops.floor(away / span)
        rest = away - turns * span
        place = first + ops.where(turns - 2 * ops.floor(turns / 2) == 0, rest, span - rest)
    return ops.clamp(place, 0, size - 1)


def pixel_weights(place: Tensor, mode: str) -> list[tuple[Tensor, Tensor]]:
    """Return the pixels along an axis that a place takes, and how much of each."""
    if mode == "nearest":
        return [(ops.round(place), ops.ones_like(place))]
    first = ops.floor(place)
    part = place - first
    if mode == "bilinear":
        return [(first, 1 - part), (first + 1, part)]
    far, near = (lambda d: ((d - 5) * d + 8) * d - 4), (lambda d: (1.25 * d - 2.25) * d * d + 1)
    weights = (-0.75 * far(part + 1), near(part), near(1 - part), -0.75 * far(2 - part))
    return [(first + step, weight) for step, weight in zip((-1, 0, 1, 2), weights)]


def columns_to_image(
    x: Tensor,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: tuple[int, ...],
    stride: tuple[int, ...],
) -> Tensor:
    """Add columns into an image of any rank at the places that its windows were taken from."""
    rank = len(size)
    padded = [size[i] + padding[i] + padding[rank + i] for i in range(rank)]
    place = np.zeros((1, 1), np.int32)
    for i in range(rank):
        steps = (padded[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        at = (np.arange(kernel[i]) * dilation[i])[:, None] + np.arange(steps) * stride[i]
        place = place[:, None, :, None] * padded[i] + at[None, :, None, :]
        place = place.reshape(place.shape[0] * place.shape[1], -1)
    columns = x.reshape(x.shape[0], -1, place.size)
    flat = ops.zeros((x.shape[0], columns.shape[1], math.prod(padded)), x.dtype)
    flat = ops.index_add(flat, mindspore.Tensor(place.reshape(-1), mindspore.int32), columns, 2)
    image = flat.reshape(x.shape[0], columns.shape[1], *padded)
    for i in range(rank):
        image = ops.narrow(image, 2 + i, padding[i], size[i])
    return image


def center_crop_pad(x: Tensor, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Cut axes around their middle, or pad them there with zeros, to sizes."""
    for axis, size in zip(axes, sizes):
        missing = size - x.shape[axis]
        before = missing // 2 if missing > 0 else -(-missing // 2)
        x = pad_or_cut(x, axis, before, missing - before, 0)
    return x
