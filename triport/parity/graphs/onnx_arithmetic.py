"""The arithmetic of `formulas.py`, as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from triport.parity.kernels.formulas import VECTOR


class NamedNodes:
    """Collects nodes whose values are named after the one that they make."""

    def __init__(self, name: str, opset: int) -> None:
        """Begin without a node; `opset` is the graph's, on which the form of some operators hangs."""
        self._name, self.opset = name, opset
        self.nodes: list[onnx.NodeProto] = []

    def add(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its result."""
        output = output or self._new_name()
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
        return output

    def array(self, values: np.ndarray) -> str:
        """Append a constant and return its name; floating-point numbers become float32."""
        output = self._new_name()
        values = np.asarray(values)
        tensor = numpy_helper.from_array(values.astype(np.float32) if values.dtype.kind == "f" else values)
        self.nodes.append(helper.make_node("Constant", [], [output], value=tensor))
        return output

    def _new_name(self) -> str:
        return f"{self._name}/as_mindspore_{len(self.nodes)}"


@dataclass(frozen=True, slots=True)
class FloatValue:
    """A float32 value of a graph, with which one reckons as with a number."""

    steps: NamedNodes
    name: str

    def __add__(self, other: FloatValue | float) -> FloatValue:
        return self._with("Add", other)

    def __sub__(self, other: FloatValue | float) -> FloatValue:
        return self._with("Sub", other)

    def __mul__(self, other: FloatValue | float) -> FloatValue:
        return self._with("Mul", other)

    def __truediv__(self, other: FloatValue | float) -> FloatValue:
        return self._with("Div", other)

    def __rtruediv__(self, other: float) -> FloatValue:
        return FloatValue(self.steps, self.steps.array(np.asarray(other, np.float32)))._with("Div", self)

    def __gt__(self, other: FloatValue | float) -> FloatValue:
        return self._with("Greater", other)

    def _with(self, op_type: str, other: FloatValue | float) -> FloatValue:
        name = (
            other.name if isinstance(other, FloatValue) else self.steps.array(np.asarray(other, np.float32))
        )
        return FloatValue(self.steps, self.steps.add(op_type, self.name, name))


class OnnxArithmetic:
    """Writes formulas as nodes; see `Arithmetic`."""

    def where(self, condition: FloatValue, yes: FloatValue, no: FloatValue) -> FloatValue:
        """Return one or the other, element by element."""
        return _added("Where", condition, yes, no)

    def clip(self, x: FloatValue, low: float, high: float) -> FloatValue:
        """Return the numbers within bounds."""
        bounds = (x.steps.array(np.asarray(bound, np.float32)) for bound in (low, high))
        return FloatValue(x.steps, x.steps.add("Clip", x.name, *bounds))

    def round(self, x: FloatValue) -> FloatValue:
        """Return the nearest whole numbers."""
        return _added("Round", x)

    def floor(self, x: FloatValue) -> FloatValue:
        """Return the largest whole numbers that are not above."""
        return _added("Floor", x)

    def abs(self, x: FloatValue) -> FloatValue:
        """Return the numbers without their signs."""
        return _added("Abs", x)

    def sign(self, x: FloatValue) -> FloatValue:
        """Return -1, 0 or 1."""
        return _added("Sign", x)

    def log(self, x: FloatValue) -> FloatValue:
        """Return the natural logarithm."""
        return _added("Log", x)

    def power_of_two(self, x: FloatValue) -> FloatValue:
        """Return two to a number."""
        return FloatValue(x.steps, x.steps.add("Pow", x.steps.array(np.asarray(2.0)), x.name))

    def largest_of_last(self, x: FloatValue) -> FloatValue:
        """Return the largest along the last axis, which stays with the size 1."""
        if x.steps.opset < 18:
            return FloatValue(x.steps, x.steps.add("ReduceMax", x.name, axes=[-1], keepdims=1))
        return FloatValue(
            x.steps, x.steps.add("ReduceMax", x.name, x.steps.array(np.array([-1])), keepdims=1)
        )

    def sum_of_last(self, x: FloatValue) -> FloatValue:
        """Return the sum along the last axis, which stays with the size 1."""
        if x.steps.opset < 13:
            return FloatValue(x.steps, x.steps.add("ReduceSum", x.name, axes=[-1], keepdims=1))
        return FloatValue(
            x.steps, x.steps.add("ReduceSum", x.name, x.steps.array(np.array([-1])), keepdims=1)
        )

    def looked_up(self, table: Sequence[float], index: FloatValue) -> FloatValue:
        """Return the entries of a table at whole numbers that are given as floating-point ones."""
        steps = index.steps
        places = steps.add("Cast", index.name, to=onnx.TensorProto.INT64)
        return FloatValue(steps, steps.add("Gather", steps.array(np.asarray(table)), places))

    def in_vectors(self, x: FloatValue) -> FloatValue:
        """Return which elements lie in whole vectors; the last few of a tensor do not."""
        steps = x.steps
        zero, one, eight = (steps.array(np.asarray(number)) for number in (0, 1, VECTOR))
        count = steps.add("Size", x.name)
        whole = steps.add("Mul", steps.add("Div", count, eight), eight)
        index = steps.add("Range", zero, count, one)
        is_in = steps.add("Less", index, whole)
        return FloatValue(steps, steps.add("Reshape", is_in, steps.add("Shape", x.name)))


def _added(op_type: str, *values: FloatValue) -> FloatValue:
    steps = values[0].steps
    return FloatValue(steps, steps.add(op_type, *(value.name for value in values)))
