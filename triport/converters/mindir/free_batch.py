"""The free batch: what MindSpore worked out for the traced batch size is written for any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from .batch_axis import BatchAxes, BatchPlace, free_first_axis
from .emitter import Emitter
from .graph import TensorType
from .values import TypedValue


class FreeBatch(Emitter):
    """An emitter that knows, or guesses, which sizes are the batch size."""

    def __init__(self, opset: int, batch_input: TypedValue | None = None) -> None:
        """Begin; `batch_input` is the graph's input whose first axis is the free batch axis."""
        super().__init__(opset, BatchAxes(batch_input.shape[0]) if batch_input else None)
        self._batch_input = batch_input
        self._batch_size: TypedValue | None = None
        self.is_batch_known = False  # of each node's result
        self.result_batch: tuple[int, int] | None = None  # axis, and its elements for one image, if known

    def get_batch_size(self) -> tuple[TypedValue, int] | None:
        """Return the free batch size as a tensor of one element and as traced; None if it is not free."""
        if self._batch_input is None:
            return None
        traced, integers = self._batch_input.shape[0], onnx.TensorProto.INT64
        if self._batch_size is None:
            one = TensorType(integers, (1,))
            if self.opset >= 15:
                self._batch_size = self.add("Shape", [self._batch_input], one, start=0, end=1)
            else:
                whole = TensorType(integers, (len(self._batch_input.shape),))
                bounds = [self.constant(bound) for bound in ([0], [1], [0])]
                shape = self.add("Shape", [self._batch_input], whole)
                self._batch_size = self.add("Slice", [shape, *bounds], one)
        return self._batch_size, traced

    def free_shape(self, x: TypedValue, shape: Sequence[int]) -> list[int]:
        """Return a Reshape's target in which the traced batch size does not stay, where that can be said."""
        is_result = self.result_type is not None and self.result_type.shape == tuple(shape)
        if self.is_batch_known and is_result and 0 not in shape:
            axis = self.result_batch[0] if self.result_batch is not None else None
            return [-1 if place == axis else size for place, size in enumerate(shape)]
        target = self._batch_axes.free_shape(x, shape) if self._batch_axes else None
        return free_first_axis(x.shape, shape) if target is None else target

    def has_batch_first(self, x: TypedValue) -> bool:
        """Return whether the first axis of a value is the batch axis, or nothing is known of it."""
        place = self._batch_axes.get(x) if self._batch_axes else None
        return place is None or place.axis == 0

    def holds_batch(self, x: TypedValue, axis: int) -> bool:
        """Return whether an axis of a value holds the batch, alone or with another; False if unknown."""
        place = self._batch_axes.get(x) if self._batch_axes else None
        return place is not None and place.axis == axis

    def guess_batch_size(self) -> tuple[TypedValue, int] | None:
        """Return the free batch size where a traced size may be it; None where it is known which are."""
        return None if self.is_batch_known else self.get_batch_size()

    def guess_spread(self, value: TypedValue) -> TypedValue:
        """Return a constant at the free batch size if it may be one equal row for each image."""
        array = self._arrays.get(value.name)
        is_guess = not self.is_batch_known and array is not None and array.ndim and _step(array, 0) == 0
        return self.spread(value) if is_guess else value

    def spread(self, value: TypedValue, axis: int = 0, inner: int = 1) -> TypedValue:
        """Return a constant at the free batch size, if its rows are equal or count in whole numbers.

        MindSpore works out what depends on the input's shape alone, for the traced batch: a full tensor, or
        the places of images, as `arange` of the batch size is.

        Args:
            value: the constant.
            axis: its axis that grows with the batch.
            inner: how many elements of it belong to one image.
        """
        array = self._arrays.get(value.name)
        if self._batch_input is None or array is None or not axis < array.ndim:
            return value
        if array.shape[axis] != self._batch_input.shape[0] * inner:
            return value
        if inner > 1:
            return self._spread_in_parts(value, array, axis, inner)
        row, step = array.take([0], axis), _step(array, axis)
        if step is None:
            return value
        sizes = [1] * array.ndim
        first = self.constant(row, value.type.elem_type)
        if step:
            spread = self.add("Add", [first, self._counted(value, axis, step)], value.type)
        else:
            spread = self.add("Expand", [first, self.batch_shape(sizes, axis)], value.type)
        self._put_batch(spread, axis, 1)
        return spread

    def _spread_in_parts(self, value: TypedValue, array: np.ndarray, axis: int, inner: int) -> TypedValue:
        """Return a constant of several elements for each image, laid apart and joined again."""
        images = array.shape[axis] // inner
        apart = array.reshape(*array.shape[:axis], images, inner, *array.shape[axis + 1 :])
        rows = self.constant(apart, value.type.elem_type)
        spread = self.spread(rows, axis)
        if spread is rows:
            return value
        joined = self.constant([-1 if place == axis else size for place, size in enumerate(array.shape)])
        result = self.add("Reshape", [spread, joined], value.type)
        self._put_batch(result, axis, inner)
        return result

    def _counted(self, value: TypedValue, axis: int, step: int) -> TypedValue:
        """Return 0, `step`, 2 * `step` and so on along an axis, a number for each image of the free batch."""
        batch_size = self.get_batch_size()
        assert batch_size is not None
        size, traced = batch_size
        integers, elem_type = onnx.TensorProto.INT64, value.type.elem_type
        bounds = [self.constant(0), self.add("Squeeze", [size], TensorType(integers, ())), self.constant(1)]
        numbers = self.add("Range", bounds, TensorType(integers, (traced,)))
        numbers = self.add("Mul", [numbers, self.constant(step)], TensorType(integers, (traced,)))
        shape = tuple(traced if place == axis else 1 for place in range(len(value.shape)))
        along = self.constant([-1 if place == axis else 1 for place in range(len(shape))])
        numbers = self.add("Reshape", [numbers, along], TensorType(integers, shape))
        return self.add("Cast", [numbers], TensorType(elem_type, shape), to=elem_type)

    def batch_shape(self, sizes: Sequence[int], axis: int) -> TypedValue:
        """Return sizes as a tensor, with the free batch size at one place."""
        batch_size = self.get_batch_size()
        if batch_size is None:
            return self.constant(list(sizes))
        ends = [sizes[:axis], sizes[axis + 1 :]]
        first, last = (self.constant(list(end)) if end else None for end in ends)
        parts = [part for part in (first, batch_size[0], last) if part is not None]
        if len(parts) == 1:
            return parts[0]
        return self.add("Concat", parts, TensorType(onnx.TensorProto.INT64, (len(sizes),)), axis=0)

    def settle(self, result: TypedValue) -> TypedValue:
        """Return a node's result with its batch where it is known to be; a constant becomes as large."""
        if self.result_batch is None or self._batch_axes is None:
            return result
        axis, inner = self.result_batch
        if result.name in self._arrays:
            return self.spread(result, axis, inner)
        self._put_batch(result, axis, inner)
        return result

    def _put_batch(self, value: TypedValue, axis: int, inner: int) -> None:
        if self._batch_axes is not None and not self.is_free_of_inputs(value):
            self._batch_axes.put(value, BatchPlace(axis, inner))

    def get_batch_axis(self, value: TypedValue) -> int | None:
        """Return which axis of a value is the free batch axis and nothing more, None if unknown."""
        place = self._batch_axes.get(value) if self._batch_axes else None
        return place.axis if place is not None and place.inner == 1 else None


def _step(array: np.ndarray, axis: int) -> int | None:
    """Return by how much each row is over the one before, 0 for equal rows; None if it is no whole number."""
    first = array.take([0], axis) if array.size else array
    if bool(np.all(array == first)):
        return 0
    if array.dtype.kind not in "iuf" or not bool(np.all(array == np.floor(array))):
        return None
    steps = np.diff(array.astype(np.int64), axis=axis)
    return int(steps.flat[0]) if bool(np.all(steps == steps.flat[0])) else None
