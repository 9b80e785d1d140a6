"""What an operator's converter writes: ONNX nodes and constants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .batch_axis import BatchAxes, Place, free_first_axis
from .node_check import find_contradiction
from .reader import TensorType

MAX_FOLDED = 1 << 20  # elements of a constant that may be computed here
MAX_CONSTANT = 1 << 22  # and of one that may be made here


class UnsupportedCallError(Exception):
    """One call cannot be converted; gathered into an UnsupportedOperatorsError."""


@dataclass(frozen=True, slots=True)
class Value:
    """An ONNX value; `type` holds the shape that MindSpore traced."""

    name: str
    type: TensorType

    @property
    def shape(self) -> tuple[int, ...]:
        """The traced shape, batch size included."""
        return self.type.shape


class Builder:
    """Collects ONNX nodes and constants; names are given at the end."""

    def __init__(self, opset: int, batch_input: Value | None = None) -> None:
        """Begin; `batch_input` is the graph's input whose first axis is the free batch axis."""
        self.opset = opset
        self._batch_input = batch_input
        self._batch_axes = BatchAxes(batch_input.shape[0]) if batch_input else None
        self._batch_size: Value | None = None
        self._from_inputs: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []
        self.scope = ""
        self.result_type: TensorType | None = None
        self.is_batch_known = False  # of each node's result
        self.result_batch: tuple[int, int] | None = None  # axis, and its elements for one image, if known
        self._producers: dict[str, onnx.NodeProto] = {}
        self._constants: dict[tuple[int, tuple[int, ...], bytes], Value] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._types: dict[str, TensorType] = {}

    def add(
        self, op_type: str, inputs: Sequence[Value | None], type_: TensorType | None = None, **attributes: Any
    ) -> Value:
        """Append a node with one output and return that; its type is the MindIR node's unless given."""
        type_ = type_ or self.result_type
        if type_ is None:
            raise UnsupportedCallError("its result is no tensor")
        return self.add_many(op_type, inputs, [type_], **attributes)[0]

    def add_many(
        self, op_type: str, inputs: Sequence[Value | None], types: Sequence[TensorType], **attributes: Any
    ) -> list[Value]:
        """Append a node with one output for each type and return the outputs."""
        folded = self._fold(op_type, inputs, types, attributes)
        if folded is not None:
            return folded
        number = len(self.nodes)
        outputs = [Value(f"%{number}.{index}", type_) for index, type_ in enumerate(types)]
        node = helper.make_node(
            op_type,
            [value.name if value else "" for value in inputs],
            [value.name for value in outputs],
            name=self.scope,
            **attributes,
        )
        problem = find_contradiction(node, inputs, outputs, self._arrays, self.opset) if inputs else None
        if problem is not None:
            raise UnsupportedCallError(problem)
        self.nodes.append(node)
        self._producers.update((value.name, node) for value in outputs)
        self._types.update((value.name, value.type) for value in (*outputs, *filter(None, inputs)))
        if any(value and not self.is_free_of_inputs(value) for value in inputs):
            self._from_inputs.update(value.name for value in outputs)
            if self._batch_axes is not None:
                self._batch_axes.follow(node, inputs, outputs, self._arrays)
        return outputs

    def _fold(
        self,
        op_type: str,
        inputs: Sequence[Value | None],
        types: Sequence[TensorType],
        attributes: Mapping[str, Any],
    ) -> list[Value] | None:
        """Return constants if the inputs are constants: what is known need not be computed."""
        arrays = [self._arrays.get(value.name) if value else None for value in inputs]
        given = [array for array, value in zip(arrays, inputs, strict=True) if value]
        if not given or any(array is None for array in given):
            return None
        if sum(math.prod(type_.shape) for type_ in types) > MAX_FOLDED:
            return None
        names = [f"i{index}" if value else "" for index, value in enumerate(inputs)]
        outputs = [f"o{index}" for index in range(len(types))]
        feeds = {name: array for name, array in zip(names, arrays, strict=True) if name}
        graph = helper.make_graph(
            [helper.make_node(op_type, names, outputs, **attributes)],
            "folded",
            [],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in feeds.items()],
        )
        model = helper.make_model_gen_version(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        try:
            # what is damaged could make a huge result: its size must be known beforehand
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
            for value, type_ in zip(inferred.graph.output, types, strict=True):
                dims = value.type.tensor_type.shape.dim
                if tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims) != type_.shape:
                    return None
            results = ReferenceEvaluator(model).run(None, {})
        except Exception:  # an operator that the evaluator lacks: computed where the model runs
            return None
        for result, type_ in zip(results, types, strict=True):
            dtype = helper.tensor_dtype_to_np_dtype(type_.elem_type)
            if np.shape(result) != type_.shape or np.asarray(result).dtype != dtype:
                return None
        return [self.constant(result, type_.elem_type) for result, type_ in zip(results, types, strict=True)]

    def constant(self, values: Any, elem_type: int = onnx.TensorProto.INT64) -> Value:
        """Return a constant of the element type, made once for equal contents."""
        array = np.asarray(values, dtype=helper.tensor_dtype_to_np_dtype(elem_type))
        key = (elem_type, array.shape, array.tobytes())
        if key not in self._constants:
            proto = helper.make_tensor("", elem_type, array.shape, array.tobytes(), raw=True)
            (value,) = self.add_many("Constant", [], [TensorType(elem_type, array.shape)], value=proto)
            self._constants[key] = value
            self._arrays[value.name] = array
        return self._constants[key]

    def full(self, shape: Sequence[int], number: float, elem_type: int) -> Value:
        """Return a constant of equal elements."""
        check_size(*shape)
        return self.constant(np.full(tuple(shape), number), elem_type)

    def ones(self, shape: Sequence[int], like: Value) -> Value:
        """Return a constant of ones, of the element type of another value."""
        return self.full(shape, 1, like.type.elem_type)

    def zeros(self, shape: Sequence[int], like: Value) -> Value:
        """Return a constant of zeros, of the element type of another value."""
        return self.full(shape, 0, like.type.elem_type)

    def add_input(self, value: Value) -> None:
        """Declare an input of the graph."""
        self._from_inputs.add(value.name)
        if self._batch_axes is not None:
            self._batch_axes.add_input(value)

    def is_free_of_inputs(self, value: Value) -> bool:
        """Return whether a value is the same whatever the graph's inputs are."""
        return value.name not in self._from_inputs

    def get_batch_size(self) -> tuple[Value, int] | None:
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

    def scalar(self, number: float, like: Value) -> Value:
        """Return a constant without dimensions, of the element type of another value."""
        return self.constant(number, like.type.elem_type)

    def unsqueeze(self, x: Value, axes: Sequence[int], type_: TensorType | None = None) -> Value:
        """Add axes of size 1 at the given places of the result."""
        if type_ is None:
            shape = list(x.shape)
            for axis in sorted(axes):
                shape.insert(axis, 1)
            type_ = TensorType(x.type.elem_type, tuple(shape))
        if self.opset < 13:
            return self.add("Unsqueeze", [x], type_, axes=list(axes))
        return self.add("Unsqueeze", [x, self.constant(list(axes))], type_)

    def squeeze(self, x: Value, axes: Sequence[int], type_: TensorType | None = None) -> Value:
        """Drop axes of size 1."""
        if type_ is None:
            shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
            type_ = TensorType(x.type.elem_type, shape)
        if self.opset < 13:
            return self.add("Squeeze", [x], type_, axes=list(axes))
        return self.add("Squeeze", [x, self.constant(list(axes))], type_)

    def reduce(self, op_type: str, x: Value, axes: Sequence[int], keep_dims: bool) -> Value:
        """Reduce over axes, which are counted from the front."""
        kept = (1 if axis in axes else size for axis, size in enumerate(x.shape))
        dropped = (size for axis, size in enumerate(x.shape) if axis not in axes)
        type_ = TensorType(x.type.elem_type, tuple(kept if keep_dims else dropped))
        if self.opset >= (13 if op_type == "ReduceSum" else 18):
            return self.add(op_type, [x, self.constant(list(axes))], type_, keepdims=int(keep_dims))
        return self.add(op_type, [x], type_, axes=list(axes), keepdims=int(keep_dims))

    def cast(self, x: Value, elem_type: int) -> Value:
        """Change the element type, if it is another one."""
        if x.type.elem_type == elem_type:
            return x
        return self.add("Cast", [x], TensorType(elem_type, x.shape), to=elem_type)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        """Reorder the axes, if the order is another one."""
        if list(order) == sorted(order):
            return x
        type_ = TensorType(x.type.elem_type, tuple(x.shape[axis] for axis in order))
        return self.add("Transpose", [x], type_, perm=list(order))

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Reshape to a traced shape; the batch axis stays free where it can (see `free_shape`)."""
        type_ = TensorType(x.type.elem_type, tuple(shape))
        if x.shape == type_.shape:
            return x
        return self.add("Reshape", [x, self.constant(self.free_shape(x, type_.shape))], type_)

    def free_shape(self, x: Value, shape: Sequence[int]) -> list[int]:
        """Return a Reshape's target in which the traced batch size does not stay, where that can be said."""
        is_result = self.result_type is not None and self.result_type.shape == tuple(shape)
        if self.is_batch_known and is_result and 0 not in shape:
            axis = self.result_batch[0] if self.result_batch is not None else None
            return [-1 if place == axis else size for place, size in enumerate(shape)]
        target = self._batch_axes.free_shape(x, shape) if self._batch_axes else None
        return free_first_axis(x.shape, shape) if target is None else target

    def has_batch_first(self, x: Value) -> bool:
        """Return whether the first axis of a value is the batch axis, or nothing is known of it."""
        place = self._batch_axes.get(x) if self._batch_axes else None
        return place is None or place.axis == 0

    def holds_batch(self, x: Value, axis: int) -> bool:
        """Return whether an axis of a value holds the batch, alone or with another; False if unknown."""
        place = self._batch_axes.get(x) if self._batch_axes else None
        return place is not None and place.axis == axis

    def guess_batch_size(self) -> tuple[Value, int] | None:
        """Return the free batch size where a traced size may be it; None where it is known which are."""
        return None if self.is_batch_known else self.get_batch_size()

    def guess_spread(self, value: Value) -> Value:
        """Return a constant at the free batch size if it may be one row for each image."""
        return value if self.is_batch_known else self.spread(value)

    def spread(self, value: Value, axis: int = 0) -> Value:
        """Return a constant of equal rows, as many as the traced batch has, at the free batch size.

        MindSpore works out what depends on the input's shape alone, for the traced batch.
        """
        array = self._arrays.get(value.name)
        if self._batch_input is None or array is None or not axis < array.ndim:
            return value
        row = array.take([0], axis) if array.size else array
        if array.shape[axis] != self._batch_input.shape[0] or not bool(np.all(array == row)):
            return value
        sizes = [1] * array.ndim
        spread = self.add(
            "Expand", [self.constant(row, value.type.elem_type), self.batch_shape(sizes, axis)], value.type
        )
        self._put_batch(spread, axis, 1)
        return spread

    def batch_shape(self, sizes: Sequence[int], axis: int) -> Value:
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

    def settle(self, result: Value) -> Value:
        """Return a node's result with its batch where it is known to be; a constant becomes as large."""
        if self.result_batch is None or self._batch_axes is None:
            return result
        axis, inner = self.result_batch
        if result.name in self._arrays:
            return self.spread(result, axis) if inner == 1 else result
        self._put_batch(result, axis, inner)
        return result

    def _put_batch(self, value: Value, axis: int, inner: int) -> None:
        if self._batch_axes is not None and not self.is_free_of_inputs(value):
            self._batch_axes.put(value, Place(axis, inner))

    def pick(self, x: Value, axis: int, index: Sequence[int]) -> Value:
        """Take slices along an axis.

        For what runs backwards: onnx's shape inference aborts the process on a Slice with a
        negative step over an empty axis, which a damaged file can have.
        """
        check_size(len(index))
        type_ = TensorType(x.type.elem_type, (*x.shape[:axis], len(index), *x.shape[axis + 1 :]))
        return self.add("Gather", [x, self.constant(list(index))], type_, axis=axis)

    def binary(self, op_type: str, x: Value, y: Value, elem_type: int | None = None) -> Value:
        """Combine two tensors with broadcasting."""
        shape = tuple(int(n) for n in np.broadcast_shapes(x.shape, y.shape))
        return self.add(op_type, [x, y], TensorType(elem_type or x.type.elem_type, shape))

    def compare(self, op_type: str, x: Value, y: Value) -> Value:
        """Compare two tensors of one element type; ONNX has the "or equal" forms from opset 12 on."""
        boolean = onnx.TensorProto.BOOL
        if op_type.endswith("OrEqual") and self.opset < 12:
            strict = self.binary(op_type.removesuffix("OrEqual"), x, y, boolean)
            return self.binary("Or", strict, self.binary("Equal", x, y, boolean))
        return self.binary(op_type, x, y, boolean)

    def shrink_uniform(self, values: Sequence[Value], shape: Sequence[int]) -> list[Value]:
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

    def unary(self, op_type: str, x: Value, **attributes: Any) -> Value:
        """Apply an operator that changes neither shape nor element type."""
        return self.add(op_type, [x], x.type, **attributes)

    def unary_of(self, op_type: str, inputs: Sequence[Value], **attributes: Any) -> Value:
        """Apply an operator whose result is like its first input."""
        return self.add(op_type, inputs, inputs[0].type, **attributes)

    def get_array(self, value: Value) -> np.ndarray | None:
        """Return what a value holds if it is a constant made here."""
        return self._arrays.get(value.name)

    def get_producer(self, value: Value) -> onnx.NodeProto | None:
        """Return the node that makes the value, None for inputs and parameters."""
        return self._producers.get(value.name)

    def get_value(self, name: str) -> Value | None:
        """Return a value that a node reads or makes, by name."""
        return Value(name, self._types[name]) if name in self._types else None

    def get_operand(self, value: Value, op_type: str) -> Value | None:
        """Return the first input of the node that makes the value, None unless it is of the operator."""
        node = self.get_producer(value)
        return self.get_value(node.input[0]) if node is not None and node.op_type == op_type else None

    def get_batch_axis(self, value: Value) -> int | None:
        """Return which axis of a value is the free batch axis and nothing more, None if unknown."""
        place = self._batch_axes.get(value) if self._batch_axes else None
        return place.axis if place is not None and place.inner == 1 else None

    def get_unsqueezed(self, value: Value) -> tuple[str, list[int]] | None:
        """Return the name and the axes of what an Unsqueeze made the value from, None if none did."""
        producer = self.get_producer(value)
        if producer is None or producer.op_type != "Unsqueeze":
            return None
        if len(producer.input) == 1:
            return producer.input[0], list(producer.attribute[0].ints)
        return producer.input[0], self._arrays[producer.input[1]].tolist()

    def get_zero_padded(self, value: Value) -> tuple[Value, list[int], list[int]] | None:
        """Return what was padded with zeros to make the value, and by how much; None if nothing was."""
        node = self.get_producer(value)
        if node is None or node.op_type != "Pad" or node.input[0] not in self._types:
            return None
        mode = [attribute.s for attribute in node.attribute if attribute.name == "mode"]
        numbers = [self._arrays.get(name) for name in node.input[2:]]
        pads = self._arrays.get(node.input[1])
        if pads is None or mode not in ([], [b"constant"]) or any(n is None or n.any() for n in numbers):
            return None
        begins, ends = np.split(pads, 2)
        return Value(node.input[0], self._types[node.input[0]]), begins.tolist(), ends.tolist()

    def is_never_negative(self, value: Value) -> bool:
        """Return whether the value comes from an activation that is never below zero."""
        node = self.get_producer(value)
        return node is not None and node.op_type in ("Relu", "Sigmoid", "HardSigmoid", "Softplus", "Abs")

    def add_with_bias(self, value: Value, bias: Value) -> Value | None:
        """Repeat the convolution or Gemm that made the value, with the bias in it.

        Returns None if the value comes from elsewhere. The one without bias stays only if
        something else reads it.
        """
        producer = self.get_producer(value)
        if (
            producer is None
            or producer.op_type not in ("Conv", "ConvTranspose", "Gemm")
            or len(producer.input) != 2
        ):
            return None
        (repeated,) = self.add_many("Identity", [], [value.type])
        node = self.nodes[-1]
        output = node.output[0]
        node.CopyFrom(producer)
        node.input.append(bias.name)
        node.output[0] = output
        if not (self.is_free_of_inputs(value) and self.is_free_of_inputs(bias)):
            self._from_inputs.add(repeated.name)
            if self._batch_axes is not None:
                self._batch_axes.copy(value, repeated)
        return repeated


def check_size(*shape: int) -> None:
    """Refuse a constant too large to be meant, as only a damaged file asks for.

    Raises:
        UnsupportedCallError: it has more than `MAX_CONSTANT` elements.
    """
    if math.prod(shape) > MAX_CONSTANT:
        raise UnsupportedCallError(f"it needs a constant of shape {shape}, of over {MAX_CONSTANT} elements")
