"""Operators along axes that are known at run time only."""

from collections.abc import Callable

import mindspore
from mindspore import Tensor, ops


def product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """Return the product along axes; along all if there are none."""
    for axis in sorted((a % x.ndim for a in axes or range(x.ndim)), reverse=True):
        x = ops.prod(x, axis, keep)
    return x


def cumulated(x: Tensor, axis: int, kind: Callable[..., Tensor], exclusive: bool, backwards: bool) -> Tensor:
    """Return sums or products up to each place, from either end, with or without it."""
    axis, dtype = int(axis) % x.ndim, x.dtype
    result = kind(ops.flip(x, (axis,)) if backwards else x, axis)
    if exclusive:
        size = x.shape[axis]
        first = ops.gather(result, mindspore.Tensor([0]), axis)
        first = ops.zeros_like(first) if kind is mindspore.ops.cumsum else ops.ones_like(first)
        rest = ops.gather(result, mindspore.Tensor(list(range(size - 1))), axis) if size > 1 else None
        result = first if rest is None else ops.cat([first, rest], axis)
    return (ops.flip(result, (axis,)) if backwards else result).to(dtype)


def unsqueeze(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Put in axes of size 1."""
    rank = x.ndim + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = ops.unsqueeze(x, axis)
    return x


def expand(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Repeat along axes of size 1, in both directions of broadcasting."""
    rank = max(x.ndim, len(shape))
    mine = (1,) * (rank - x.ndim) + tuple(x.shape)
    wanted = (1,) * (rank - len(shape)) + tuple(shape)
    return ops.broadcast_to(x, tuple(w if m == 1 else m for m, w in zip(mine, wanted)))


def slice_axes(
    x: Tensor,
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...] | None,
    steps: tuple[int, ...] | None,
) -> Tensor:
    """Return a part along axes; a negative step runs backwards."""
    for i, (start, end) in enumerate(zip(starts, ends)):
        axis, step = axes[i] if axes is not None else i, steps[i] if steps is not None else 1
        size = x.shape[axis]
        last = None if step < 0 and end < -size else end
        x = ops.gather(x, mindspore.Tensor(list(range(size)[start:last:step]), mindspore.int64), axis)
    return x


def one_hot(indices: Tensor, depth: int, values: Tensor, axis: int) -> Tensor:
    """Return vectors with `values[1]` at one place and `values[0]` elsewhere."""
    indices = ops.unsqueeze(indices.to(mindspore.int64), axis)
    shape = [1] * indices.ndim
    shape[axis] = depth
    places = ops.arange(0, depth, 1).reshape(tuple(shape))
    hit = ops.where(indices < 0, indices + depth, indices) == places
    return ops.where(hit, values[1], values[0]).to(values.dtype)


def pad_with_own(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """Return an axis continued with the tensor's own values: its edge, its mirror image, or its other end."""
    size = x.shape[axis]
    places = list(range(-before, size + after))
    if mode == "edge":
        places = [min(max(i, 0), size - 1) for i in places]
    else:
        period = size if mode == "wrap" else max(2 * size - 2, 1)
        places = [i % period if i % period < size else period - i % period for i in places]
    return ops.gather(x, mindspore.Tensor(places), axis)


def pad_or_cut(x: Tensor, axis: int, before: int, after: int, value: float) -> Tensor:
    """Return an axis with so many numbers more at its ends, or fewer where that is negative."""
    parts = []
    for count in (before, after):
        shape = [*x.shape[:axis], max(count, 0), *x.shape[axis + 1 :]]
        parts.append([ops.full(tuple(shape), value, dtype=x.dtype)] if count > 0 else [])
    x = ops.cat([*parts[0], x, *parts[1]], axis)
    kept = list(range(max(-before, 0), x.shape[axis] + min(after, 0)))
    return ops.gather(x, mindspore.Tensor(kept, mindspore.int64), axis)


def gather_by_batch(x: Tensor, indices: Tensor, batch: int) -> Tensor:
    """Return what tuples of indices find, each in its own part of the first axes."""
    depth = indices.shape[-1]
    sizes = mindspore.Tensor(x.shape[batch : batch + depth], dtype=indices.dtype)
    places = []
    for axis in range(batch):
        shape = [-1 if i == axis else 1 for i in range(indices.ndim)]
        own = ops.arange(x.shape[axis], dtype=indices.dtype).reshape(shape)
        places.append(ops.broadcast_to(own, (*indices.shape[:-1], 1)))
    within = ops.where(indices < 0, indices + sizes, indices)
    return ops.gather_nd(x, ops.cat([*places, within], -1))


def roll(x: Tensor, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Return elements moved along axes, those at the end to the beginning."""
    for shift, axis in zip(shifts, axes):
        size = x.shape[axis]
        first = -shift % size
        x = ops.cat([ops.narrow(x, axis, first, size - first), ops.narrow(x, axis, 0, first)], axis)
    return x
