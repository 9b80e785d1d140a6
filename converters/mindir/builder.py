"""What an operator's converter works with: the call that it reads and the ONNX nodes that it adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .reader import Monad, Node, Tensor, TensorType

# attributes that say nothing about the result, and why
IRRELEVANT_ATTRIBUTES = {
    "input_names": "names of the arguments",
    "output_names": "names of the results",
    "side_effect_mem": "in-place operators are registered as such",
    "side_effect_propagate": "the result is the first input",
    "primitive_target": "the device that MindSpore would run it on",
}

_REQUIRED: Any = object()


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


@dataclass(slots=True)
class Cell:
    """Storage of one tensor: in-place operators change what it holds."""

    value: Value
    is_parameter: bool = False
    is_shared: bool = False  # with a view


class Builder:
    """Collects ONNX nodes and constants; names are given at the end."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.scope = ""
        self.result_type: TensorType | None = None
        self._producers: dict[str, onnx.NodeProto] = {}
        self._constants: dict[tuple[int, tuple[int, ...], bytes], Value] = {}
        self._arrays: dict[str, np.ndarray] = {}

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
        number = len(self.nodes)
        outputs = [Value(f"%{number}.{index}", type_) for index, type_ in enumerate(types)]
        node = helper.make_node(
            op_type,
            [value.name if value else "" for value in inputs],
            [value.name for value in outputs],
            name=self.scope,
            **attributes,
        )
        self.nodes.append(node)
        self._producers.update((value.name, node) for value in outputs)
        return outputs

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

    def scalar(self, number: float, like: Value) -> Value:
        """Return a constant without dimensions, of the element type of another value."""
        return self.constant(number, like.type.elem_type)

    def get_producer(self, value: Value) -> onnx.NodeProto | None:
        """Return the node that makes the value, None for inputs and parameters."""
        return self._producers.get(value.name)

    def get_unsqueezed(self, value: Value) -> tuple[str, list[int]] | None:
        """Return the name and the axes of what an Unsqueeze made the value from, None if none did."""
        producer = self.get_producer(value)
        if producer is None or producer.op_type != "Unsqueeze":
            return None
        return producer.input[0], self._arrays[producer.input[1]].tolist()

    def add_with_bias(self, value: Value, bias: Value) -> Value | None:
        """Repeat the convolution or Gemm that made the value, with the bias in it.

        Returns None if the value comes from elsewhere. The one without bias stays only if
        something else reads it.
        """
        producer = self.get_producer(value)
        if producer is None or producer.op_type not in ("Conv", "Gemm") or len(producer.input) != 2:
            return None
        (repeated,) = self.add_many("Identity", [], [value.type])
        node = self.nodes[-1]
        output = node.output[0]
        node.CopyFrom(producer)
        node.input.append(bias.name)
        node.output[0] = output
        return repeated


class Call:
    """One MindIR node being converted: what it reads, and a record of what was looked at."""

    def __init__(self, node: Node, entries: Sequence[Any], builder: Builder) -> None:
        self.node = node
        self.primitive = node.primitive
        self._entries = entries
        self._builder = builder
        self._unread_inputs = {index for index, entry in enumerate(entries) if not isinstance(entry, Monad)}
        self._unread_attributes = set(node.attributes) - set(IRRELEVANT_ATTRIBUTES)

    @property
    def num_inputs(self) -> int:
        """The number of inputs, without the monads that order side effects."""
        return sum(not isinstance(entry, Monad) for entry in self._entries)

    @property
    def type(self) -> TensorType:
        """The type of the result, which must be one tensor."""
        if not isinstance(self.node.type, TensorType):
            raise self.unsupported("its result is not one tensor")
        return self.node.type

    @property
    def types(self) -> list[TensorType]:
        """The types of the results, which must be a tuple of tensors."""
        found = self.node.type
        if not isinstance(found, tuple) or not all(isinstance(item, TensorType) for item in found):
            raise self.unsupported("its result is not a tuple of tensors")
        return list(found)  # type: ignore[arg-type]

    def entry(self, index: int) -> Any:
        """Return an input as it is: a cell, a tuple of entries or a constant."""
        if index >= len(self._entries):
            raise self.unsupported(f"it has {len(self._entries)} inputs, not {index + 1}")
        self._unread_inputs.discard(index)
        return self._entries[index]

    def tensor(self, index: int, like: Value | None = None) -> Value:
        """Return a tensor input; a number takes the element type of `like`."""
        entry = self.entry(index)
        if isinstance(entry, int | float) and like is not None:
            return self._builder.scalar(entry, like)
        return self._as_value(entry, index)

    def tensors(self, index: int) -> list[Value]:
        """Return an input that is a tuple or list of tensors."""
        entry = self.entry(index)
        if not isinstance(entry, tuple | list):
            raise self.unsupported(f"input {index} is not a tuple of tensors")
        return [self._as_value(item, index) for item in entry]

    def axes(self, index: int, rank: int) -> list[int]:
        """Return a constant input that names axes of a tensor, counted from the front; none is []."""
        found = self.constant(index)
        axes = [found] if isinstance(found, int) else list(found or ())
        return [axis % rank for axis in axes]

    def _as_value(self, entry: Any, index: int) -> Value:
        if isinstance(entry, Cell):
            return entry.value
        if isinstance(entry, Tensor):
            return self._builder.constant(array_from_tensor(entry), entry.type.elem_type)
        raise self.unsupported(f"input {index} is not a tensor")

    def constant(self, index: int) -> Any:
        """Return an input that must be known: a number, bool, string, None or a tuple of those."""
        return self._as_constant(self.entry(index), index)

    def _as_constant(self, entry: Any, index: int) -> Any:
        if isinstance(entry, Tensor):
            return array_from_tensor(entry).tolist()
        if isinstance(entry, tuple | list):
            return tuple(self._as_constant(item, index) for item in entry)
        if isinstance(entry, Cell):
            raise self.unsupported(f"input {index} is computed; only a constant can be converted")
        return entry

    def attribute(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return an attribute of the primitive."""
        self._unread_attributes.discard(name)
        if name in self.node.attributes:
            return self.node.attributes[name]
        if default is _REQUIRED:
            raise self.unsupported(f"it has no attribute {name!r}")
        return default

    def ignore(self, *names: str, why: str) -> None:
        """Declare attributes irrelevant to the result; `why` is for the reader of the code."""
        del why
        self._unread_attributes.difference_update(names)

    def require(self, what: str, found: Any, *allowed: Any) -> None:
        """Refuse the call unless what was found is one of the values that can be converted."""
        if found not in allowed:
            raise self.unsupported(
                f"{what} is {found!r}, expected {' or '.join(repr(value) for value in allowed)}"
            )

    def unsupported(self, reason: str) -> UnsupportedCallError:
        """Return the error to raise when this call cannot be converted."""
        return UnsupportedCallError(reason)

    def check_read(self) -> None:
        """Refuse the call if part of it was not looked at."""
        if self._unread_attributes:
            raise self.unsupported(f"attributes not understood: {', '.join(sorted(self._unread_attributes))}")
        if self._unread_inputs:
            raise self.unsupported(
                f"inputs not understood: {', '.join(map(str, sorted(self._unread_inputs)))}"
            )


def array_from_tensor(tensor: Tensor) -> np.ndarray:
    """Return the tensor's data as a NumPy array."""
    proto = onnx.TensorProto(data_type=tensor.type.elem_type, dims=tensor.type.shape, raw_data=tensor.data)
    return numpy_helper.to_array(proto)
