"""Where an operator's nodes go: each is checked, folded where it can be, and can be looked back at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper

from .batch_axis import BatchAxes
from .folding import fold
from .graph import TensorType
from .node_check import find_contradiction
from .values import TypedValue, UnsupportedCallError, check_size, make_value, value_of


class Emitter:
    """Appends nodes and constants to an ONNX graph; names are given at the end (passes/name_values.py).

    `scope` and `result_type` are of the MindIR node that is being written.
    """

    def __init__(self, opset: int, batch_axes: BatchAxes | None = None) -> None:
        self.opset = opset
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset})
        self.scope = ""
        self.result_type: TensorType | None = None
        self._batch_axes = batch_axes
        self._from_inputs: set[str] = set()
        self._constants: dict[tuple[int, tuple[int, ...], bytes], TypedValue] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._prefix, self._bodies = "%", 0

    def add_input(self, value: TypedValue) -> None:
        """Say that a value is an input of the graph."""
        self.graph.inputs.append(value.ir)
        self._from_inputs.add(value.name)
        if self._batch_axes is not None:
            self._batch_axes.add_input(value)

    def add(
        self,
        op_type: str,
        inputs: Sequence[TypedValue | None],
        type_: TensorType | None = None,
        **attributes: Any,
    ) -> TypedValue:
        """Append a node with one output and return that; its type is the MindIR node's unless given."""
        type_ = type_ or self.result_type
        if type_ is None:
            raise UnsupportedCallError("its result is no tensor")
        return self.add_many(op_type, inputs, [type_], **attributes)[0]

    def add_many(
        self,
        op_type: str,
        inputs: Sequence[TypedValue | None],
        types: Sequence[TensorType],
        **attributes: Any,
    ) -> list[TypedValue]:
        """Append a node with one output for each type and return the outputs.

        Raises:
            UnsupportedCallError: ONNX does not take it, or gives something else than was traced.
        """
        arrays = [self._arrays.get(value.name) if value else None for value in inputs]
        given = [array for array, value in zip(arrays, inputs, strict=True) if value]
        if given and all(array is not None for array in given):
            folded = fold(op_type, arrays, types, attributes, self.opset)
            if folded is not None:
                pairs = zip(folded, types, strict=True)
                return [self.constant(result, type_.elem_type) for result, type_ in pairs]
        number = len(self.graph)
        outputs = [make_value(f"{self._prefix}{number}.{index}", type_) for index, type_ in enumerate(types)]
        node = helper.make_node(
            op_type,
            [value.name if value else "" for value in inputs],
            [value.name for value in outputs],
            **attributes,
        )
        problem = find_contradiction(node, inputs, outputs, self._arrays, self.opset) if inputs else None
        if problem is not None:
            raise UnsupportedCallError(problem)
        self._append(
            op_type,
            [value.ir if value else None for value in inputs],
            [ir.serde.deserialize_attribute(attribute) for attribute in node.attribute],
            outputs,
        )
        if any(value and not self.is_free_of_inputs(value) for value in inputs):
            self._from_inputs.update(value.name for value in outputs)
            if self._batch_axes is not None:
                self._batch_axes.follow(node, inputs, outputs, self._arrays)
        return outputs

    def _append(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Sequence[ir.Attr],
        outputs: Sequence[TypedValue],
        scope: str | None = None,
    ) -> None:
        name = self.scope if scope is None else scope
        made = [value.ir for value in outputs]
        self.graph.append(ir.Node("", op_type, inputs, attributes, outputs=made, name=name))

    def constant(self, values: Any, elem_type: int = onnx.TensorProto.INT64) -> TypedValue:
        """Return a constant of the element type, made once for equal contents."""
        array = np.asarray(values, dtype=helper.tensor_dtype_to_np_dtype(elem_type))
        key = (elem_type, array.shape, array.tobytes())
        if key not in self._constants:
            proto = helper.make_tensor("", elem_type, array.shape, array.tobytes(), raw=True)
            (value,) = self.add_many("Constant", [], [TensorType(elem_type, array.shape)], value=proto)
            self._constants[key] = value
            self._arrays[value.name] = array
        return self._constants[key]

    def full(self, shape: Sequence[int], number: float, elem_type: int) -> TypedValue:
        """Return a constant of equal elements."""
        check_size(*shape)
        return self.constant(np.full(tuple(shape), number), elem_type)

    def add_with_bias(self, value: TypedValue, bias: TypedValue) -> TypedValue | None:
        """Repeat the convolution or Gemm that made the value, with the bias in it.

        Returns None if the value comes from elsewhere. The one without bias stays only if
        something else reads it.
        """
        node = value.ir.producer()
        if node is None or node.op_type not in ("Conv", "ConvTranspose", "Gemm") or len(node.inputs) != 2:
            return None
        repeated = make_value(f"{self._prefix}{len(self.graph)}.0", value.type)
        attributes = list(node.attributes.values())
        self._append(node.op_type, [*node.inputs, bias.ir], attributes, [repeated], node.name)
        if not (self.is_free_of_inputs(value) and self.is_free_of_inputs(bias)):
            self._from_inputs.add(repeated.name)
            if self._batch_axes is not None:
                self._batch_axes.copy(value, repeated)
        return repeated

    def is_free_of_inputs(self, value: TypedValue) -> bool:
        """Return whether a value is the same whatever the graph's inputs are."""
        return value.name not in self._from_inputs

    def get_array(self, value: TypedValue) -> np.ndarray | None:
        """Return what a value holds if it is a constant made here."""
        return self._arrays.get(value.name)

    def get_operands(self, value: TypedValue, *op_types: str) -> tuple[str, list[TypedValue | None]] | None:
        """Return the operator that makes a value and what it reads, None unless it is one of those named."""
        node = value.ir.producer()
        if node is None or node.op_type not in op_types:
            return None
        return node.op_type, [None if made is None else value_of(made) for made in node.inputs]

    def get_operand(self, value: TypedValue, op_type: str) -> TypedValue | None:
        """Return the first input of the node that makes the value, None unless it is of the operator."""
        found = self.get_operands(value, op_type)
        return found[1][0] if found is not None else None

    def get_unsqueezed(self, value: TypedValue) -> tuple[TypedValue, list[int]] | None:
        """Return what an Unsqueeze made the value from and its axes, None if none did."""
        node = value.ir.producer()
        if node is None or node.op_type != "Unsqueeze" or node.inputs[0] is None:
            return None
        if "axes" in node.attributes:
            return value_of(node.inputs[0]), list(node.attributes["axes"].as_ints())
        return value_of(node.inputs[0]), self._arrays[str(node.inputs[1].name)].tolist()  # type: ignore[union-attr]

    def get_zero_padded(self, value: TypedValue) -> tuple[TypedValue, list[int], list[int]] | None:
        """Return what was padded with zeros to make the value, and by how much; None if nothing was."""
        found = self.get_operands(value, "Pad")
        if found is None or found[1][0] is None:
            return None
        padded, *others = found[1]
        node = value.ir.producer()
        assert node is not None and padded is not None
        mode = node.attributes["mode"].as_string() if "mode" in node.attributes else "constant"
        pads, *numbers = [self._arrays.get(other.name) if other else None for other in others]
        if pads is None or mode != "constant" or any(n is None or n.any() for n in numbers):
            return None
        begins, ends = np.split(pads, 2)
        return padded, begins.tolist(), ends.tolist()

    def is_never_negative(self, value: TypedValue) -> bool:
        """Return whether the value comes from an activation that is never below zero."""
        return self.get_operands(value, "Relu", "Sigmoid", "HardSigmoid", "Softplus", "Abs") is not None
