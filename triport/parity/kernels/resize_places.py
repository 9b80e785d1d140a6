"""PyTorch's resizes with their scales a rounding off: each library finds the places in float32 in its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from triport.converters.torch_export.dispatch_mode import dispatch_mode

from .inexact import ROUNDING

_RESIZES = {
    "upsample_linear1d": 1,
    "upsample_bilinear2d": 2,
    "upsample_bicubic2d": 2,
    "upsample_trilinear3d": 3,
}


@contextmanager
def moved_places(torch: Any, sign: int) -> Iterator[None]:
    """Let every resize between pixels have its scales a rounding up with sign 1, down with -1.

    A scale that float32 has exactly, as 2, is the same for all.
    """
    mode: Any = dispatch_mode(torch)

    class Moved(mode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            if axes_resized(function):
                function, arguments = by_lengths(torch, function, arguments)
                lengths = zip(arguments[0].shape[2:], arguments[1], strict=True)
                steps = [0 if _is_exact(old / new) else sign for old, new in lengths]
                arguments = with_scales_moved(arguments, steps)
            return function(*arguments, **(words or {}))

    with Moved():
        yield


def _is_exact(ratio: float) -> bool:
    return float(np.float32(ratio)) == ratio


def axes_resized(function: Any) -> int:
    """Return over how many axes an operator of PyTorch resizes by weights; 0 where it does not."""
    return _RESIZES.get(function.__name__.split(".")[0], 0)


def by_lengths(torch: Any, function: Any, arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Return a resize in the form that has lengths and apart a scale for each axis; inference has another."""
    if function._overloadname != "vec":
        return function, arguments
    x, lengths, between_corners, scales = (*arguments, None)[:4]
    if lengths is None:
        lengths = [int(size * scale) for size, scale in zip(x.shape[2:], scales, strict=True)]
    default = getattr(torch.ops.aten, function.__name__.split(".")[0]).default
    return default, (x, lengths, between_corners, *(scales or ()))


def with_scales_moved(arguments: tuple[Any, ...], steps: Sequence[int]) -> tuple[Any, ...]:
    """Return a resize's arguments with each scale so many roundings off.

    Without a scale it is the ratio of the lengths. Between corners there is none that could be moved.
    """
    x, lengths, between_corners, *scales = arguments
    if between_corners:
        return arguments
    scales += [None] * (len(lengths) - len(scales))
    ratios = [new / old for new, old in zip(lengths, x.shape[2:], strict=True)]
    moved = [(s or r) * (1 + ROUNDING * n) for s, r, n in zip(scales, ratios, steps, strict=True)]
    return (x, lengths, between_corners, *moved)
