"""The vocabulary of the operators' converters: what ONNX spells otherwise from opset to opset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from .free_batch import FreeBatch
from .graph import TensorType
from .values import TypedValue, check_size, make_value


class Builder(FreeBatch):
    """Writes ONNX nodes of the opset, by what they do."""

    def begin_body(self) -> Builder:
        """Return an emitter for what is done with each image; it may read what is written here."""
        body = Builder(self.opset)
        self._bodies += 1
        body._prefix = f"{self._prefix}{self._bodies}/"
        body._arrays, body._from_inputs = self._arrays, self._from_inputs
        return body

    def add_body_input(self, type_: TensorType) -> TypedValue:
        """Return a new input of a body."""
        value = make_value(f"{self._prefix}row{len(self.graph.inputs)}", type_)
        self.add_input(value)
        return value

    def ones(self, shape: Sequence[int], like: TypedValue) -> TypedValue:
        """Return a constant of ones, of the element type of another value."""
        return self.full(shape, 1, like.type.elem_type)

    def zeros(self, shape: Sequence[int], like: TypedValue) -> TypedValue:
        """Return a constant of zeros, of the element type of another value."""
        return self.full(shape, 0, like.type.elem_type)

    def scalar(self, number: float, like: TypedValue) -> TypedValue:
        """Return a constant without dimensions, of the element type of another value."""
        return self.constant(number, like.type.elem_type)

    def unsqueeze(self, x: TypedValue, axes: Sequence[int], type_: TensorType | None = None) -> TypedValue:
        """Add axes of size 1 at the given places of the result."""
        if type_ is None:
            shape = list(x.shape)
            for axis in sorted(axes):
                shape.insert(axis, 1)
            type_ = TensorType(x.type.elem_type, tuple(shape))
        if self.opset < 13:
            return self.add("Unsqueeze", [x], type_, axes=list(axes))
        return self.add("Unsqueeze", [x, self.constant(list(axes))], type_)

    def squeeze(self, x: TypedValue, axes: Sequence[int], type_: TensorType | None = None) -> TypedValue:
        """Drop axes of size 1."""
        if type_ is None:
            shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
            type_ = TensorType(x.type.elem_type, shape)
        if self.opset < 13:
            return self.add("Squeeze", [x], type_, axes=list(axes))
        return self.add("Squeeze", [x, self.constant(list(axes))], type_)

    def reduce(self, op_type: str, x: TypedValue, axes: Sequence[int], keep_dims: bool) -> TypedValue:
        """Reduce over axes, which are counted from the front."""
        kept = (1 if axis in axes else size for axis, size in enumerate(x.shape))
        dropped = (size for axis, size in enumerate(x.shape) if axis not in axes)
        type_ = TensorType(x.type.elem_type, tuple(kept if keep_dims else dropped))
        if self.opset >= (13 if op_type == "ReduceSum" else 18):
            return self.add(op_type, [x, self.constant(list(axes))], type_, keepdims=int(keep_dims))
        return self.add(op_type, [x], type_, axes=list(axes), keepdims=int(keep_dims))

    def cast(self, x: TypedValue, elem_type: int) -> TypedValue:
        """Change the element type, if it is another one."""
        if x.type.elem_type == elem_type:
            return x
        return self.add("Cast", [x], TensorType(elem_type, x.shape), to=elem_type)

    def transpose(self, x: TypedValue, order: Sequence[int]) -> TypedValue:
        """Reorder the axes, if the order is another one."""
        if list(order) == sorted(order):
            return x
        type_ = TensorType(x.type.elem_type, tuple(x.shape[axis] for axis in order))
        return self.add("Transpose", [x], type_, perm=list(order))

    def reshape(self, x: TypedValue, shape: Sequence[int]) -> TypedValue:
        """Reshape to a traced shape; the batch axis stays free where it can (see `free_shape`)."""
        type_ = TensorType(x.type.elem_type, tuple(shape))
        if x.shape == type_.shape:
            return x
        return self.add("Reshape", [x, self.constant(self.free_shape(x, type_.shape))], type_)

    def pick(self, x: TypedValue, axis: int, index: Sequence[int]) -> TypedValue:
        """Take slices along an axis.

        For what runs backwards: onnx's shape inference aborts the process on a Slice with a
        negative step over an empty axis, which a damaged file can have.
        """
        check_size(len(index))
        type_ = TensorType(x.type.elem_type, (*x.shape[:axis], len(index), *x.shape[axis + 1 :]))
        return self.add("Gather", [x, self.constant(list(index))], type_, axis=axis)

    def binary(self, op_type: str, x: TypedValue, y: TypedValue, elem_type: int | None = None) -> TypedValue:
        """Combine two tensors with broadcasting."""
        shape = tuple(int(n) for n in np.broadcast_shapes(x.shape, y.shape))
        return self.add(op_type, [x, y], TensorType(elem_type or x.type.elem_type, shape))

    def compare(self, op_type: str, x: TypedValue, y: TypedValue) -> TypedValue:
        """Compare two tensors of one element type; ONNX has the "or equal" forms from opset 12 on."""
        boolean = onnx.TensorProto.BOOL
        if op_type.endswith("OrEqual") and self.opset < 12:
            strict = self.binary(op_type.removesuffix("OrEqual"), x, y, boolean)
            return self.binary("Or", strict, self.binary("Equal", x, y, boolean))
        return self.binary(op_type, x, y, boolean)

    def shrink_uniform(self, values: Sequence[TypedValue], shape: Sequence[int]) -> list[TypedValue]:
        """Make constants sizeless along axes of equal elements where broadcasting restores the shape.

        MindSpore fills such constants at the traced size, which would burn the batch size in.
        """
        shrunk = list(values)
        for index, value in enumerate(values):
            array = self._arrays.get(value.name)
            others = [other.shape for other in (*shrunk[:index], *shrunk[index + 1 :])]
            if array is None or array.size < 2 or not others:
                continue
            restored = np.broadcast_shapes(*others)
            for axis in range(-min(array.ndim, len(restored)), 0):
                first = array.take([0], axis)
                if restored[axis] == array.shape[axis] and bool(np.all(array == first)):
                    array = first
            if array.size == 1 and restored == tuple(shape):
                array = array.reshape(())
            if array.shape != value.shape:
                shrunk[index] = self.constant(array, value.type.elem_type)
        return shrunk

    def unary(self, op_type: str, x: TypedValue, **attributes: Any) -> TypedValue:
        """Apply an operator that changes neither shape nor element type."""
        return self.add(op_type, [x], x.type, **attributes)

    def unary_of(self, op_type: str, inputs: Sequence[TypedValue], **attributes: Any) -> TypedValue:
        """Apply an operator whose result is like its first input."""
        return self.add(op_type, inputs, inputs[0].type, **attributes)
