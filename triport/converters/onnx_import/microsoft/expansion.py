"""What one node of ONNX Runtime's becomes, and the rules that say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_AXES_AS_INPUT = {"ReduceMean": 18, "ReduceSum": 13, "Unsqueeze": 13, "Squeeze": 13}


class NotExpandedError(Exception):
    """A node is of a kind that is not read."""


class Expansion:
    """What one node becomes: standard nodes and constants, in the graph's opset."""

    def __init__(
        self,
        node: Any,
        opset: int,
        tensors: dict[str, Any],
        label: str,
        dims: dict[str, tuple[int | None, ...]],
    ) -> None:
        """Begin; `label` is a prefix that no other name of the file has, `dims` are sizes that are stated."""
        self.node, self.opset, self.tensors, self.dims = node, opset, tensors, dims
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._label, self._count = label, 0
        self._read = {""}

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute's value."""
        import onnx

        self._read.add(name)
        found = next((a for a in self.node.attribute if a.name == name), None)
        value = default if found is None else onnx.helper.get_attribute_value(found)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def has(self, index: int) -> bool:
        """Return whether an input is given."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def of(self, index: int) -> str:
        """Return an input's name.

        Raises:
            NotExpandedError: it is missing.
        """
        if not self.has(index):
            raise NotExpandedError
        return str(self.node.input[index])

    def rank(self, name: str) -> int | None:
        """Return a value's rank, None where the file does not state it."""
        return len(self.dims[name]) if name in self.dims else None

    def size(self, index: int, axis: int) -> int | None:
        """Return how long an input is along an axis, None where the file does not state it."""
        dims = self.dims.get(self.of(index), ())
        return dims[axis] if -len(dims) <= axis < len(dims) else None

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an input that is stored in the file."""
        tensor = self.tensors.get(self.of(index))
        if tensor is None:
            raise NotExpandedError
        return tuple(tensor.dims)

    def is_stored(self, index: int) -> bool:
        """Return whether an input is stored in the file."""
        return self.of(index) in self.tensors

    def array(self, index: int) -> np.ndarray:
        """Return an input that is stored in the file.

        Raises:
            NotExpandedError: it is computed.
        """
        import onnx

        self.shape(index)
        return np.asarray(onnx.numpy_helper.to_array(self.tensors[self.of(index)]))

    def constant(self, value: Any) -> str:
        """Return the name of a new constant."""
        import onnx

        name = f"{self._label}_c{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def number(self, value: float) -> str:
        """Return the name of a new constant of one float32."""
        return self.constant(np.float32(value))

    def put(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return its first output."""
        return self.several(op_type, 1, *inputs, **attributes)[0]

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node and return its outputs."""
        import onnx

        outputs = [f"{self._label}_{self._count}_{i}" for i in range(count)]
        self._count += 1
        axes = attributes.get("axes")
        if axes is not None and self.opset >= _AXES_AS_INPUT.get(op_type, 99):
            del attributes["axes"]
            inputs = (*inputs, self.constant(np.array(axes, np.int64)))
        self.nodes.append(onnx.helper.make_node(op_type, inputs, outputs, **attributes))
        return outputs

    def give(self, index: int, value: str) -> None:
        """Let an output be that value."""
        import onnx

        if index < len(self.node.output) and self.node.output[index]:
            self.nodes.append(onnx.helper.make_node("Identity", [value], [self.node.output[index]]))

    def check(self, inputs: int, outputs: int = 1) -> None:
        """Raise NotExpandedError if something that was given is not read."""
        given = {a.name for a in self.node.attribute}
        more = any(self.has(i) for i in range(inputs, len(self.node.input)))
        if given - self._read or more or any(name for name in self.node.output[outputs:]):
            raise NotExpandedError


Rule = Callable[[Expansion], None]
RULES: dict[str, Rule] = {}


def rule(*op_types: str) -> Callable[[Rule], Rule]:
    """Register the function as what expands these operators."""

    def register(expand: Rule) -> Rule:
        RULES.update(dict.fromkeys(op_types, expand))
        return expand

    return register
