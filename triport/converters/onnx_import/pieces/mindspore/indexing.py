"""Indexing that MindSpore has not in one call."""

from collections.abc import Callable

from mindspore import Tensor, ops


def scatter_along(
    x: Tensor, index: Tensor, updates: Tensor, axis: int, combine: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """Combine elements of `x` with updates, each at its own place but for one axis, where `index` says it."""
    places = []
    for each, size in enumerate(index.shape):
        steps = ops.arange(size).reshape(*[-1 if a == each else 1 for a in range(index.ndim)])
        along = index if each == axis else ops.broadcast_to(steps, index.shape).to(index.dtype)
        places.append(along.reshape(-1, 1))
    return combine(x, ops.cat(places, 1), updates.reshape(-1))
