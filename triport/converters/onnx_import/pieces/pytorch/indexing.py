"""Indexing that PyTorch has not in one call."""

import torch
from torch import Tensor


def scatter_slices(x: Tensor, indices: Tensor, updates: Tensor, reduce: str) -> Tensor:
    """Combine slices of `x` with updates, those at the same place with one another too."""
    depth = indices.shape[-1]
    rows = x.reshape(-1, *x.shape[depth:])
    place = torch.zeros(indices.shape[:-1], dtype=torch.int64, device=x.device)
    for axis in range(depth):
        step = indices[..., axis]
        place = place * x.shape[axis] + torch.where(step < 0, step + x.shape[axis], step)
    flat = updates.reshape(-1, *x.shape[depth:])
    return rows.index_reduce(0, place.reshape(-1), flat, reduce).reshape(x.shape)


def write_cache(x: Tensor, update: Tensor, places: Tensor | None, axis: int, circular: bool) -> Tensor:
    """Write `update` into a copy of a cache from each batch entry's place on, around its end if circular."""
    result = x.movedim(axis, 1).clone()
    update = update.movedim(axis, 1)
    steps = torch.arange(update.shape[1], device=x.device)
    for entry in range(result.shape[0]):
        first = 0 if places is None else int(places[entry])
        index = (steps + first) % result.shape[1] if circular else steps + first
        result[entry, index] = update[entry]
    return result.movedim(1, axis)


def unique(x: Tensor, axis: int | None, ordered: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return each value (or slice along an axis) once, its first place, which each is, and the counts."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=axis)
    places = torch.arange(inverse.shape[0], device=x.device)
    first = torch.full_like(counts, inverse.shape[0]).scatter_reduce(0, inverse, places, reduce="amin")
    if not ordered:
        order = torch.argsort(first)
        rank = torch.argsort(order)
        values, first, counts, inverse = (
            values.index_select(axis, order),
            first[order],
            counts[order],
            rank[inverse],
        )
    return values, first, inverse, counts


def reverse_sequence(x: Tensor, lengths: Tensor, batch_axis: int, time_axis: int) -> Tensor:
    """Turn round the first steps of each sequence of a batch, as many as its length says."""
    moved = x.movedim((batch_axis, time_axis), (0, 1))
    steps = torch.arange(moved.shape[1], device=x.device)[None]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    rows = torch.arange(moved.shape[0], device=x.device)[:, None]
    return moved[rows, index].movedim((0, 1), (batch_axis, time_axis))
