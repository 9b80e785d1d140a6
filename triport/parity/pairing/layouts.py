"""Whether two tensors hold the same values, though one may have its axes in another order, or axes of one."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from triport.reference_models.real_numbers import real_numbers

from .pieces import squeezed

Shape = tuple[int, ...]
MOST_AXES = 5  # 120 orders


@dataclass(frozen=True, slots=True)
class Layout:
    """How the first tensor's axes lie in the second: `axes` of it, without those of one, in this order.

    With `is_repeated` the axes are the same, and one of both holds once what the other has for each of a
    batch.
    """

    axes: tuple[int, ...]
    is_repeated: bool = False

    @property
    def is_turned(self) -> bool:
        """Whether axes have changed places."""
        return self.axes != tuple(range(len(self.axes)))

    def applied(self, array: np.ndarray, shape: Shape) -> np.ndarray:
        """Return an array as the second network has it; `shape` is that which it had there before.

        An array of other sizes keeps them: a layer with another stride returns fewer values.
        """
        if self.is_repeated and array.shape[1:] == shape[1:]:
            return np.broadcast_to(array[:1], shape)
        if not self.is_turned:
            moved = array
        elif array.ndim == len(self.axes):
            moved = array.transpose(self.axes)
        else:
            moved = (
                np.squeeze(array).transpose(self.axes) if np.squeeze(array).ndim == len(self.axes) else array
            )
        sizes, wanted = squeezed(moved.shape), squeezed(shape)
        # as many values in other sizes, (8, 4) for (4, 8), are another stride's and no other layout
        is_other = len(sizes) == len(wanted) and sizes != wanted
        return moved if is_other or moved.size != math.prod(shape) else moved.reshape(shape)


def layout_between(a: np.ndarray, b: np.ndarray, tolerance: float) -> Layout | None:
    """Return how `a` lies in `b`, where both hold the same values within a tolerance; else None.

    The tolerance is relative to the largest value of `a`; whole numbers must be the same.
    """
    if a.size != b.size or (a.dtype.kind == "f") != (b.dtype.kind == "f"):
        return None
    if a.shape == b.shape and close(a, b, tolerance):
        return Layout(tuple(range(a.ndim)))
    if not _alike(a, b, tolerance):
        return None
    first, second = np.squeeze(a), np.squeeze(b)
    if first.ndim != second.ndim or first.ndim > MOST_AXES:
        # axes that one of them has flattened
        return Layout(()) if close(a.reshape(-1), b.reshape(-1), tolerance) else None
    for axes in itertools.permutations(range(first.ndim)):
        turned = first.transpose(axes)
        if turned.shape == second.shape and close(turned, second, tolerance):
            if axes == tuple(range(first.ndim)):
                return Layout(())
            return Layout(axes)
    return None


def layout_in_batch(a: np.ndarray, b: np.ndarray, tolerance: float) -> Layout | None:
    """Return how `a` lies in `b`, as above, where either may hold once what is the same in all of a batch.

    Positions are encoded for one image, and then repeated, or for each.
    """
    found = layout_between(a, b, tolerance)
    is_once = (
        a.ndim == b.ndim > 1 and a.shape[1:] == b.shape[1:] and 1 in (len(a), len(b)) and a.size != b.size
    )
    if found is not None or not is_once or (a.dtype.kind == "f") != (b.dtype.kind == "f"):
        return found
    every = np.broadcast_shapes(a.shape, b.shape)
    is_same = close(np.broadcast_to(a, every), np.broadcast_to(b, every), tolerance)
    return Layout(tuple(range(a.ndim)), is_repeated=True) if is_same else None


def paired_axes(axes: tuple[int, ...], first: Shape, second: Shape) -> dict[int, int]:
    """Return by axis of one shape that of another, where values lie so; none where axes are flattened."""
    if len(axes) == len(first) == len(second):
        return {axis: place for place, axis in enumerate(axes)}
    found = [[axis for axis, size in enumerate(shape) if size != 1] for shape in (first, second)]
    order = axes or tuple(range(len(found[0])))
    if len(found[0]) != len(found[1]) or len(order) != len(found[0]):
        return {}
    moved = {found[0][axis]: found[1][place] for place, axis in enumerate(order)}
    return moved if all(first[axis] == second[other] for axis, other in moved.items()) else {}


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays of one shape are equal within a tolerance relative to the largest value of `a`."""
    if a.dtype.kind != "f":
        return bool((a == b).all())
    return error(a, b) <= tolerance


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b| / max|a|; infinite where shapes differ or a value is not finite."""
    a, b = real_numbers(a), real_numbers(b)
    if a.shape != b.shape:
        return np.inf
    if not a.size:
        return 0.0
    found = float(np.abs(np.asarray(a, np.float64) - b).max())
    largest = float(np.abs(a).max())
    if not np.isfinite(found):
        return np.inf
    return 0.0 if found == 0 else found / largest if largest > 0 else np.inf


def _alike(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether sums over all values leave it possible that they are the same in another order."""
    first, second = (np.asarray(real_numbers(one), np.float64).reshape(-1) for one in (a, b))
    largest = float(np.abs(first).max(initial=0.0)) or 1.0
    allowed = 2 * tolerance * largest
    return bool(
        abs(first.mean() - second.mean()) <= allowed
        and abs(np.abs(first).mean() - np.abs(second).mean()) <= allowed
        and abs(first.max() - second.max()) <= allowed
        and abs(first.min() - second.min()) <= allowed
    )
