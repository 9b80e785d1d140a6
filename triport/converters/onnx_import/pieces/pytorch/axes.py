"""Operators along axes that are known at run time only."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """Return the product along axes; along all if there are none."""
    for axis in sorted((a % x.dim() for a in axes or range(x.dim())), reverse=True):
        x = x.prod(dim=axis, keepdim=keep)
    return x


def cumulated(x: Tensor, axis: int, kind: Callable[..., Tensor], exclusive: bool, backwards: bool) -> Tensor:
    """Return sums or products up to each place, from either end, with or without it."""
    result = kind(x.flip(axis) if backwards else x, dim=axis, dtype=x.dtype)
    if exclusive:
        pads = [0, 0] * (x.dim() - 1 - axis % x.dim()) + [1, -1]
        result = F.pad(result, pads, value=0 if kind is torch.cumsum else 1)
    return result.flip(axis) if backwards else result


def unsqueeze(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Put in axes of size 1."""
    rank = x.dim() + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = x.unsqueeze(axis)
    return x


def slice_axes(
    x: Tensor,
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...] | None,
    steps: tuple[int, ...] | None,
) -> Tensor:
    """Return a part along axes; a negative step runs backwards."""
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = axes[i] if axes is not None else i, steps[i] if steps is not None else 1
        size = x.shape[axis]
        last = None if step < 0 and end < -size else end
        places = range(size)[start:last:step]
        x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x


def one_hot(indices: Tensor, depth: int, values: Tensor, axis: int) -> Tensor:
    """Return vectors with `values[1]` at one place and `values[0]` elsewhere."""
    indices = indices.to(torch.int64).unsqueeze(axis)
    shape = [1] * indices.dim()
    shape[axis] = depth
    places = torch.arange(depth, device=indices.device).reshape(shape)
    return torch.where(torch.where(indices < 0, indices + depth, indices) == places, values[1], values[0])


def pad_with_own(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """Return an axis continued with the tensor's own values: its edge, its mirror image, or its other end."""
    size = x.shape[axis]
    places = torch.arange(-before, size + after, device=x.device)
    if mode == "edge":
        places = places.clamp(0, size - 1)
    else:
        period = size if mode == "wrap" else max(2 * size - 2, 1)
        places = places % period
        places = torch.where(places < size, places, period - places)
    return x.index_select(axis, places)
