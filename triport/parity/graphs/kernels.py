"""What MindSpore's CPU kernels approximate, written as ONNX: to tell their errors from a graph's.

MindSpore 2.10 on the CPU computes exp, log, tanh and what is made of them by polynomials (`formulas.py`), and
takes the weights of cubic interpolation from a table of 1024 phases, up to 1e-3 off. The ONNX file has the
exact operator. A copy of it with MindSpore's approximation in that place must give what MindSpore gives, and
one with exact operators, in float64, what the file itself gives: ONNX Runtime approximates as well.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from triport.converters.mindir.inferred import Sizes, infer, iterate_types
from triport.parity.kernels import formulas

from .cubic import Axis
from .onnx_arithmetic import FloatValue, NamedNodes, OnnxArithmetic

FLOAT = onnx.TensorProto.FLOAT
LARGEST_FINITE = 87.0  # of what MindSpore's exp takes
RESIZE = "cubic interpolation with phases rounded to 1/1024"
_BY_EXP = "with exp by a polynomial"

# Primitives whose kernel computes one of these functions otherwise, and exactly: where a node is one's part.
EXACT_IN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("GeLU", "GeLUExt", "Gelu", "FastGeLU"), ("Tanh", "Exp", "Sigmoid")),
    **dict.fromkeys(("CeLU", "SeLU"), ("Elu", "Exp")),
    **dict.fromkeys(("Expm1", "Sinh", "Cosh"), ("Exp",)),
    **dict.fromkeys(("Mish", "MishExt"), ("Tanh",)),
}


class Formula(NamedTuple):
    """What replaces an operator: `compute` of the arithmetic, the value and the node's attributes."""

    how: str
    compute: Callable[[OnnxArithmetic, FloatValue, dict[str, Any]], FloatValue]
    last_axis: bool = False  # other axes have another kernel, which is exact


FORMULAS: dict[str, Formula] = {
    "Tanh": Formula("tanh by a quotient of polynomials", lambda on, x, _: formulas.tanh(on, x)),
    "Exp": Formula("exp by a polynomial", lambda on, x, _: formulas.exp(on, x)),
    "Log": Formula("log by a series", lambda on, x, _: formulas.log(on, x)),
    "Sigmoid": Formula(f"sigmoid {_BY_EXP}", lambda on, x, _: formulas.sigmoid(on, x)),
    "Softplus": Formula(f"softplus {_BY_EXP}", lambda on, x, _: formulas.softplus(on, x)),
    "Elu": Formula(f"ELU {_BY_EXP}", lambda on, x, has: formulas.elu(on, x, has.get("alpha", 1.0))),
    "Softmax": Formula(f"softmax {_BY_EXP}", lambda on, x, _: formulas.softmax(on, x), last_axis=True),
    "LogSoftmax": Formula(
        "log-softmax by a table", lambda on, x, _: formulas.log_softmax(on, x), last_axis=True
    ),
}


# ONNX Runtime has no kernel of these in float64
ONLY_FLOAT32 = ("Elu",)


# Functions whose results are 1 at most: no library computes them to more than a rounding of 1, however small
# the result is
BOUNDED = ("Sigmoid", "Softmax", "Tanh")
ROUNDING_OF_ONE = 2.0**-23


class Copies(NamedTuple):
    """A graph with MindSpore's approximations, what these are, and the same graph with exact functions.

    In `shaken`, None where nothing is to shake, each run has those that are bounded a rounding off.
    """

    imitating: onnx.ModelProto
    names: list[str]
    exact: onnx.ModelProto
    shaken: onnx.ModelProto | None


class _Graph(NamedTuple):
    """What replacing a node takes to know of its graph."""

    types: dict[str, tuple[int, Sizes]]
    arrays: dict[str, np.ndarray]
    opset: int


def as_mindspore_computes(model: onnx.ModelProto) -> Copies | None:
    """Return copies of the graph with MindSpore's approximations and without any; None if it has none."""
    if not any(node.op_type == "Resize" or node.op_type in FORMULAS for node in model.graph.node):
        return None
    inferred = infer(model)
    graph = _Graph(
        {name: (elem_type, sizes) for name, elem_type, sizes in iterate_types(inferred)},
        {
            node.output[0]: numpy_helper.to_array(node.attribute[0].t)
            for node in model.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        },
        next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx")),
    )
    imitating, exact, shaken = (onnx.ModelProto() for _ in range(3))
    for copy in (imitating, exact, shaken):
        copy.CopyFrom(model)
        del copy.graph.node[:]
    names: list[str] = []
    for node in model.graph.node:
        found = _replaced(node, graph)
        imitating.graph.node.extend([node] if found is None else found[1])
        exact.graph.node.extend([node] if found is None else _in_float64(node))
        shaken.graph.node.extend([node] if found is None else _in_float64(node, is_shaken=True))
        names += [] if found is None else [found[0]]
    if not names:
        return None
    has_bounded = len(shaken.graph.node) > len(exact.graph.node)
    return Copies(imitating, list(dict.fromkeys(names)), exact, shaken if has_bounded else None)


def overflowing(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """Return a copy of a float32 graph whose softplus is infinite where exp is, None if it has none.

    The infinity begins a little earlier than that of float32: in some vectors MindSpore's exp ends there.
    """
    if not any(node.op_type == "Softplus" for node in model.graph.node):
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    for node in model.graph.node:
        copy.graph.node.append(node)
        if node.op_type != "Softplus":
            continue
        copy.graph.node[-1].output[0] = f"{node.output[0]}/finite"
        steps = NamedNodes(f"{node.output[0]}/overflow", 0)
        limit, infinity = (steps.array(np.array(value)) for value in (LARGEST_FINITE, np.inf))
        steps.add(
            "Where",
            steps.add("Greater", node.input[0], limit),
            infinity,
            f"{node.output[0]}/finite",
            output=node.output[0],
        )
        copy.graph.node.extend(steps.nodes)
    return copy


def _in_float64(node: onnx.NodeProto, *, is_shaken: bool = False) -> list[onnx.NodeProto]:
    """Return the nodes that compute a function in float64, and round its result.

    With `is_shaken`, the result of a bounded one is a rounding of 1 off, at random.
    """
    if node.op_type not in FORMULAS or node.op_type in ONLY_FLOAT32:
        return [node]
    steps = NamedNodes(f"{node.output[0]}/wide", 0)
    wide = steps.add("Cast", node.input[0], to=onnx.TensorProto.DOUBLE)
    if node.op_type == "Softplus":  # of which ONNX Runtime has no kernel in float64
        power = steps.add("Exp", steps.add("Neg", steps.add("Abs", wide)))
        found = steps.add("Add", steps.add("Relu", wide), _log_of_one_and(steps, power))
    else:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        found = steps.add(node.op_type, wide, **attributes)
    if is_shaken and node.op_type in BOUNDED:
        bound = ROUNDING_OF_ONE
        seed = float(zlib.crc32(node.output[0].encode()) >> 8)
        found = steps.add(
            "Add", found, steps.add("RandomUniformLike", found, low=-bound, high=bound, seed=seed)
        )
    steps.add("Cast", found, output=node.output[0], to=FLOAT)
    return steps.nodes


def _log_of_one_and(steps: NamedNodes, power: str) -> str:
    """Return log(1 + x) in float64; of small numbers by a series, as the sum would lose them."""

    def number(value: float) -> str:
        return steps.add("Cast", steps.array(np.array(value)), to=onnx.TensorProto.DOUBLE)

    series = number(0.25)
    for factor in (1 / 3, 0.5, 1.0):
        series = steps.add("Sub", number(factor), steps.add("Mul", power, series))
    large = steps.add("Log", steps.add("Add", power, number(1.0)))
    is_small = steps.add("Less", power, number(1e-3))
    return steps.add("Where", is_small, steps.add("Mul", power, series), large)


def _replaced(node: onnx.NodeProto, graph: _Graph) -> tuple[str, list[onnx.NodeProto]] | None:
    """Return what a node's kernel computes instead, in words and as nodes; None where it is exact."""
    if not node.input or graph.types.get(node.input[0], (0, []))[0] != FLOAT:
        return None
    if node.op_type == "Resize":
        return _resized(node, graph)
    formula = FORMULAS.get(node.op_type)
    if formula is None or node.op_type in EXACT_IN.get(_primitive_of(node), ()):
        return None
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    last = len(graph.types[node.input[0]][1]) - 1
    if formula.last_axis and attributes.get("axis", -1) not in (-1, last):
        return None
    steps = NamedNodes(node.output[0], graph.opset)
    found = formula.compute(OnnxArithmetic(), FloatValue(steps, node.input[0]), attributes)
    steps.add("Identity", found.name, output=node.output[0])
    return formula.how, steps.nodes


def _primitive_of(node: onnx.NodeProto) -> str:
    """Return the primitive of MindSpore that a node is of; "" where its name does not say."""
    named = re.findall(r"(?:^|/)(\w+)-op\d+(?:/|$)", node.name)
    return named[-1] if named else ""


def _resized(node: onnx.NodeProto, graph: _Graph) -> tuple[str, list[onnx.NodeProto]] | None:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    sizes = graph.types[node.input[0]][1]
    after = graph.types.get(node.output[0], (0, []))[1]
    given = graph.arrays.get(node.input[3]) if len(node.input) > 3 else None
    if given is not None:
        after = [int(size) for size in given]
    if attributes.get("mode") != b"cubic" or not len(sizes) == len(after) == 4:
        return None
    if not all(isinstance(size, int) for size in (*sizes[2:], *after[2:])):
        return None
    coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    if coordinates not in ("align_corners", "half_pixel", "asymmetric"):
        return None
    coefficient, is_excluded = attributes.get("cubic_coeff_a", -0.75), attributes.get("exclude_outside", 0)
    steps = NamedNodes(node.output[0], graph.opset)
    heights, widths = (
        Axis(int(sizes[axis] or 0), int(after[axis] or 0), coordinates, coefficient, bool(is_excluded))
        for axis in (2, 3)
    )
    rows = steps.add("MatMul", steps.array(heights.weights()), node.input[0])
    steps.add("MatMul", rows, steps.array(widths.weights().T), output=node.output[0])
    return RESIZE, steps.nodes
