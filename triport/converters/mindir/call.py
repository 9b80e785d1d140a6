"""What an operator's converter reads: one MindIR node, its inputs and its attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from triport.reference_models.errors import counted

from .builder import Builder
from .graph import MindirNode, MindirTensor, Monad, TensorType
from .operators import MindirOperator
from .storage import Cell
from .values import TypedValue, UnsupportedCallError

# attributes that say nothing about the result, and why
IRRELEVANT_ATTRIBUTES = {
    "input_names": "names of the arguments",
    "output_names": "names of the results",
    "side_effect_mem": "in-place operators are registered as such",
    "side_effect_propagate": "the result is the first input",
    "primitive_target": "the device that MindSpore would run it on",
    "cust_aicpu": "a kernel of Ascend's",
    "offset_x": "of quantised inputs",
    "primitive_function": "how MindSpore made the primitive",
    "is_load": "the graph was read from a .mindir file before it was exported",
    "op_adaptation_processed": "a mark of MindSpore's passes",
}

_REQUIRED: Any = object()


class MindirCall:
    """One MindIR node being converted: what it reads, and a record of what was looked at."""

    def __init__(
        self, node: MindirNode, entries: Sequence[Any], builder: Builder, operator: MindirOperator
    ) -> None:
        self.node = node
        self._operator = operator
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
            raise UnsupportedCallError("its result is not one tensor")
        return self.node.type

    @property
    def types(self) -> list[TensorType]:
        """The types of the results, which must be a tuple of tensors."""
        found = self.node.type
        if not isinstance(found, tuple) or not all(isinstance(item, TensorType) for item in found):
            raise UnsupportedCallError("its result is not a tuple of tensors")
        return list(found)  # type: ignore[arg-type]

    def entry(self, index: int) -> Any:
        """Return an input as it is: a cell, a tuple of entries or a constant."""
        if index >= len(self._entries):
            raise UnsupportedCallError(f"it has {counted(len(self._entries), 'input')}, not {index + 1}")
        self._unread_inputs.discard(index)
        return self._entries[index]

    def tensor(self, index: int, like: TypedValue | None = None) -> TypedValue:
        """Return a tensor input; a number takes the element type of `like`."""
        entry = self.entry(index)
        if isinstance(entry, int | float) and like is not None:
            return self._builder.scalar(entry, like)
        return self._as_value(entry, index)

    def tensors(self, index: int) -> list[TypedValue]:
        """Return an input that is a tuple or list of tensors."""
        entry = self.entry(index)
        if not isinstance(entry, tuple | list):
            raise UnsupportedCallError(f"input {index} is not a tuple of tensors")
        return [self._as_value(item, index) for item in entry]

    def axes(self, index: int, rank: int) -> list[int]:
        """Return a constant input that names axes of a tensor, counted from the front; none is []."""
        found = self.constant(index)
        axes = [found] if isinstance(found, int) else list(found or ())
        return [axis % rank for axis in axes]

    def _as_value(self, entry: Any, index: int) -> TypedValue:
        if isinstance(entry, Cell):
            return entry.value
        if isinstance(entry, MindirTensor):
            return self._builder.constant(array_from_tensor(entry), entry.type.elem_type)
        raise UnsupportedCallError(f"input {index} is not a tensor")

    def constant(self, index: int) -> Any:
        """Return an input that must be known: a number, bool, string, None or a tuple of those."""
        return self._as_constant(self.entry(index), index)

    def _as_constant(self, entry: Any, index: int) -> Any:
        if isinstance(entry, MindirTensor):
            return array_from_tensor(entry).tolist()
        if isinstance(entry, tuple | list):
            return tuple(self._as_constant(item, index) for item in entry)
        if isinstance(entry, Cell):
            raise UnsupportedCallError(f"input {index} is computed; only a constant can be converted")
        return entry

    def attribute(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return an attribute of the primitive."""
        self._unread_attributes.discard(name)
        if name in self.node.attributes:
            return self.node.attributes[name]
        if default is _REQUIRED:
            raise UnsupportedCallError(f"it has no attribute {name!r}")
        return default

    def ignore(self, *names: str, why: str) -> None:
        """Declare attributes irrelevant to the result; `why` is for the reader of the code."""
        del why
        self._unread_attributes.difference_update(names)

    def require(self, what: str, found: Any) -> None:
        """Refuse the call unless what was found is one of the values that the operator declares."""
        allowed = self._operator.takes[what]
        if found not in allowed:
            raise UnsupportedCallError(
                f"{what} is {found!r}, expected {' or '.join(repr(value) for value in allowed)}"
            )

    def unsupported(self, reason: str, **found: Any) -> UnsupportedCallError:
        """Return the error to raise where the call is refused for a reason that the operator declares."""
        if reason not in self._operator.refuses:
            raise LookupError(f"{self.primitive} does not declare that it refuses where {reason}")
        return UnsupportedCallError(reason.format(**found))

    def check_read(self) -> None:
        """Refuse the call if part of it was not looked at."""
        if self._unread_attributes:
            raise UnsupportedCallError(
                f"attributes not understood: {', '.join(sorted(self._unread_attributes))}"
            )
        if self._unread_inputs:
            raise UnsupportedCallError(
                f"inputs not understood: {', '.join(map(str, sorted(self._unread_inputs)))}"
            )


def array_from_tensor(tensor: MindirTensor) -> np.ndarray:
    """Return the tensor's data as a NumPy array."""
    proto = onnx.TensorProto(data_type=tensor.type.elem_type, dims=tensor.type.shape, raw_data=tensor.data)
    return numpy_helper.to_array(proto)
