"""What MindSpore's CPU kernels approximate, written as ONNX: to tell their errors from a graph's.

MindSpore 2.10 on the CPU computes tanh as a quotient of polynomials, 1e-4 off near 5, exp with six digits
of log(2), 2.6e-7 off for each unit of its argument, softplus by way of that exp, and takes the weights of
cubic interpolation from a table of 1024 phases, up to 1e-3 off. The ONNX file has the exact operator. A
copy of it with MindSpore's approximation in that place must give what MindSpore gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from triport.converters.mindir.inferred import Sizes, infer, iterate_types

FLOAT = onnx.TensorProto.FLOAT
PHASES = 1024
TANH = "tanh by a quotient of polynomials"
EXP = "exp with log(2) to six digits"
SOFTPLUS = "softplus as log(1 + exp(x)), whose exp has log(2) to six digits"
LOG_OF_2 = float(np.float32(0.693147))
RESIZE = "cubic interpolation with phases rounded to 1/1024"

Replacement = tuple[str, list[onnx.NodeProto]]


def as_mindspore_computes(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]] | None:
    """Return a copy of the graph with MindSpore's approximations, and what these are; None without any."""
    if not any(node.op_type in REPLACEMENTS for node in model.graph.node):
        return None
    inferred = infer(model)
    types = {name: (elem_type, sizes) for name, elem_type, sizes in iterate_types(inferred)}
    arrays = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    names: list[str] = []
    for node in model.graph.node:
        replace = REPLACEMENTS.get(node.op_type)
        found = replace(node, types, arrays) if replace and node.input[0] in types else None
        if found is None:
            copy.graph.node.append(node)
        else:
            names.append(found[0])
            copy.graph.node.extend(found[1])
    return (copy, list(dict.fromkeys(names))) if names else None


def _tanh(
    node: onnx.NodeProto, types: dict[str, tuple[int, Sizes]], arrays: dict[str, np.ndarray]
) -> Replacement | None:
    """Source: TanhOpt in mindspore/ops/kernel/cpu/nnacl/fp32/activation_fp32.c."""
    del arrays
    if types[node.input[0]][0] != FLOAT:
        return None
    x, y = node.input[0], node.output[0]
    steps = _Steps(y)
    square = steps.add("Mul", x, x)

    def polynomial(value: str, *coefficients: float) -> str:
        for coefficient in coefficients:
            value = steps.add("Add", steps.add("Mul", value, square), steps.number(coefficient))
        return value

    # s^3 + 378 s^2 + 17325 s + 135135 over 28 s^3 + 3150 s^2 + 62370 s + 135135
    top = polynomial(steps.add("Add", square, steps.number(378)), 17325, 135135)
    top = steps.add("Mul", top, x)
    bottom = polynomial(steps.number(28), 3150, 62370, 135135)
    quotient = steps.add("Div", top, bottom)
    is_far = steps.add("Greater", steps.add("Abs", x), steps.number(5))
    steps.add("Where", is_far, steps.add("Sign", x), quotient, output=y)
    return TANH, steps.nodes


def _exp(
    node: onnx.NodeProto, types: dict[str, tuple[int, Sizes]], arrays: dict[str, np.ndarray]
) -> Replacement | None:
    """Source: simd_exp in mindspore/ops/kernel/cpu/nnacl/fp32/exp_fp32.h."""
    del arrays
    if types[node.input[0]][0] != FLOAT:
        return None
    steps = _Steps(node.output[0])
    _approximate_exp(steps, node.input[0], node.output[0])
    return EXP, steps.nodes


def _softplus(
    node: onnx.NodeProto, types: dict[str, tuple[int, Sizes]], arrays: dict[str, np.ndarray]
) -> Replacement | None:
    del arrays
    if types[node.input[0]][0] != FLOAT:
        return None
    x, steps = node.input[0], _Steps(node.output[0])
    near = steps.add("Log", steps.add("Add", steps.number(1), _approximate_exp(steps, x)))
    steps.add("Where", steps.add("Greater", x, steps.number(20)), x, near, output=node.output[0])
    return SOFTPLUS, steps.nodes


def _approximate_exp(steps: _Steps, x: str, output: str | None = None) -> str:
    """Append exp as 2^n times a polynomial of x - n log(2); in float64, as MindSpore's steps are fused."""

    def number(value: float) -> str:
        return steps.add("Cast", steps.number(value), to=onnx.TensorProto.DOUBLE)

    wide = steps.add("Cast", x, to=onnx.TensorProto.DOUBLE)
    wide = steps.add("Max", steps.add("Min", wide, number(88)), number(-88))
    whole = steps.add("Round", steps.add("Div", wide, number(LOG_OF_2)))
    rest = steps.add("Sub", wide, steps.add("Mul", whole, number(LOG_OF_2)))
    value = number(1 / 120)
    for coefficient in (1 / 24, 1 / 6, 1 / 2, 1, 1):
        value = steps.add("Add", steps.add("Mul", value, rest), number(coefficient))
    scaled = steps.add("Mul", value, steps.add("Pow", number(2), whole))
    return steps.add("Cast", scaled, output=output, to=FLOAT)


def _resize(
    node: onnx.NodeProto, types: dict[str, tuple[int, Sizes]], arrays: dict[str, np.ndarray]
) -> Replacement | None:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    elem_type, sizes = types[node.input[0]]
    after = types.get(node.output[0], (0, []))[1]
    given = arrays.get(node.input[3]) if len(node.input) > 3 else None
    if given is not None:
        after = [int(size) for size in given]
    is_cubic = attributes.get("mode") == b"cubic" and elem_type == FLOAT and len(sizes) == len(after) == 4
    if not is_cubic or not all(isinstance(size, int) for size in (*sizes[2:], *after[2:])):
        return None
    coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    if coordinates not in ("align_corners", "half_pixel", "asymmetric"):
        return None
    coefficient, is_excluded = attributes.get("cubic_coeff_a", -0.75), attributes.get("exclude_outside", 0)
    steps = _Steps(node.output[0])
    heights, widths = (
        _Axis(int(sizes[axis] or 0), int(after[axis] or 0), coordinates, coefficient, bool(is_excluded))
        for axis in (2, 3)
    )
    rows = steps.add("MatMul", steps.array(heights.weights()), node.input[0])
    steps.add("MatMul", rows, steps.array(widths.weights().T), output=node.output[0])
    return RESIZE, steps.nodes


class _Axis(NamedTuple):
    """How one axis is interpolated."""

    before: int
    after: int
    coordinates: str
    coefficient: float
    is_excluded: bool  # what lies outside the image counts for nothing

    def weights(self) -> np.ndarray:
        """Return the matrix (after, before), each row's phase rounded to the table's."""
        matrix = np.zeros((self.after, self.before))
        for row in range(self.after):
            place = self._place(row)
            start = math.floor(place)
            phase = round((place - start) * PHASES) / PHASES
            for index in range(start - 1, start + 3):
                inside = min(max(index, 0), self.before - 1)
                if inside == index or not self.is_excluded:
                    matrix[row, inside] += _cubic(abs(phase + start - index), self.coefficient)
            if self.is_excluded:
                matrix[row] /= matrix[row].sum()
        return matrix.astype(np.float32)

    def _place(self, row: int) -> float:
        if self.coordinates == "align_corners":
            return row * (self.before - 1) / (self.after - 1) if self.after > 1 else 0.0
        if self.coordinates == "asymmetric":
            return row * self.before / self.after
        return (row + 0.5) * self.before / self.after - 0.5


def _cubic(distance: float, a: float) -> float:
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:
        return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return 0.0


REPLACEMENTS: dict[str, Callable[..., Replacement | None]] = {
    "Exp": _exp,
    "Resize": _resize,
    "Softplus": _softplus,
    "Tanh": _tanh,
}


class _Steps:
    """Collects nodes whose values are named after the one that they make."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.nodes: list[onnx.NodeProto] = []

    def add(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its result."""
        output = output or f"{self._name}/as_mindspore_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
        return output

    def array(self, values: np.ndarray) -> str:
        """Append a constant and return its name."""
        output = f"{self._name}/as_mindspore_{len(self.nodes)}"
        tensor = numpy_helper.from_array(np.asarray(values, np.float32))
        self.nodes.append(helper.make_node("Constant", [], [output], value=tensor))
        return output

    def number(self, value: float) -> str:
        """Append a constant without dimensions and return its name."""
        return self.array(np.asarray(value))
