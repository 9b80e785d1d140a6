"""Nodes that together are one layer or one function, as a person would write it.

Each rule replaces nodes by one of the domain `triport.fused`, which `operators/fused.py` translates. What a
rule takes out has no other reader, so that the graph computes the same but for roundings.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .reading import ImportRefusedError
from .rewriting import DOMAIN, alone, array_of, fused, take_place


def fuse(graph: Any) -> None:
    """Replace what the rules know, in place.

    Raises:
        ImportRefusedError: the file itself has nodes of that domain.
    """
    for node in graph.all_nodes():
        if node.domain == DOMAIN:
            raise ImportRefusedError(f"a node of the domain {DOMAIN}, which no file has: refused")
    for node in list(graph):
        if node.graph is not graph or node.domain not in ("", "ai.onnx"):
            continue
        rule = {"Add": _linear, "Mul": _of_product, "Reshape": _pads_in_order}.get(node.op_type)
        if rule is not None:
            rule(graph, node)


def _linear(graph: Any, add: Any) -> None:
    """MatMul by a matrix, and a bias: a linear layer."""
    for product, bias in (add.inputs, add.inputs[::-1]):
        matmul = alone(product, "MatMul")
        if matmul is None or array_of(bias) is None:
            continue
        weight = matmul.inputs[1]
        shape = _matrix_shape(weight)
        if shape is None or array_of(bias).shape != (shape[1],) or array_of(bias).dtype.kind != "f":
            continue
        first = matmul.inputs[0]
        if first.shape is None or len(first.shape) < 2 or array_of(first) is not None:
            continue
        _replace(graph, add, "Linear", [first, weight, bias], [matmul])
        return


def _pads_in_order(graph: Any, last: Any) -> None:
    """PyTorch's list of paddings in ONNX's order, as its exporter turns it round: one choice of elements."""
    import onnx_ir as ir

    turned = alone(last.inputs[0], "Transpose")
    reversed_ = alone(turned.inputs[0], "Slice") if turned is not None else None
    if reversed_ is None or len(reversed_.inputs) != 5:
        return
    pairs = alone(reversed_.inputs[0], "Reshape")
    if pairs is None:
        return
    listed = pairs.inputs[0]
    shape = listed.shape
    length = shape[0] if shape is not None and len(shape) == 1 and isinstance(shape[0], int) else 0
    start, end, axis, step = (array_of(value) for value in reversed_.inputs[1:])
    known = [("shape", pairs.inputs[1], [-1, 2]), ("flat", last.inputs[1], [-1])]
    is_it = length and length % 2 == 0
    is_it = is_it and all(_is_list(array_of(value), wanted) for _, value, wanted in known)
    is_it = is_it and all(_is_list(a, [w]) for a, w in ((start, -1), (axis, 0), (step, -1)))
    if not is_it or end is None or end.size != 1 or int(end.reshape(-1)[0]) > -length:
        return
    places = np.arange(length).reshape(-1, 2)[::-1].T.reshape(-1)
    index = ir.Value(name=f"{last.outputs[0].name}.order", const_value=ir.tensor(places))
    index.type, index.shape = ir.TensorType(ir.DataType.INT64), ir.Shape(places.shape)
    index.meta["constant"] = True
    node = ir.Node("", "Gather", [listed, index], num_outputs=1, name=last.name)
    take_place(graph, node, last, [turned, reversed_, pairs])


def _is_list(array: Any, wanted: list[int]) -> bool:
    return array is not None and array.reshape(-1).tolist() == wanted


def _matrix_shape(value: Any) -> tuple[int, int] | None:
    """Return the shape of a weight, which may be transposed first."""
    producer = value.producer()
    if value.const_value is not None:
        shape = tuple(value.const_value.shape)
        return (int(shape[0]), int(shape[1])) if len(shape) == 2 else None
    if (
        producer is not None
        and producer.op_type == "Transpose"
        and producer.inputs[0].const_value is not None
    ):
        shape = tuple(producer.inputs[0].const_value.shape)
        perm = producer.attributes["perm"].value if "perm" in producer.attributes else [1, 0]
        if len(shape) == 2 and list(perm) == [1, 0]:
            return int(shape[1]), int(shape[0])
    return None


def _of_product(graph: Any, mul: Any) -> None:
    """X sigmoid(x) is SiLU; x (1 + erf(x / sqrt 2)) / 2, in any order of the factors, is GELU."""
    a, b = mul.inputs
    for x, gate in ((a, b), (b, a)):
        sigmoid = alone(gate, "Sigmoid")
        if sigmoid is not None and sigmoid.inputs[0] is x:
            _replace(graph, mul, "Silu", [x], [sigmoid])
            return
    factors = _factors(mul)
    if factors is None:
        return
    values, taken = factors
    halves = [v for v in values if _is_number(v, 0.5)]
    rest = [v for v in values if v not in halves]
    if len(values) != 3 or len(halves) != 1 or len(rest) != 2:
        return
    for x, outer in (rest, rest[::-1]):
        found = _one_plus_erf(outer, x)
        if found is not None:
            _replace(graph, mul, "Gelu", [x], [*taken, *found])
            return


def _factors(mul: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the three factors of a product of products, and the inner product's node."""
    for inner, other in (mul.inputs, mul.inputs[::-1]):
        node = alone(inner, "Mul")
        if node is not None:
            return [*node.inputs, other], [node]
    return None


def _one_plus_erf(value: Any, x: Any) -> list[Any] | None:
    """Return the nodes of 1 + erf(x / sqrt 2)."""
    add = alone(value, "Add")
    if add is None:
        return None
    for one, other in (add.inputs, add.inputs[::-1]):
        erf = alone(other, "Erf")
        if erf is None or not _is_number(one, 1.0):
            continue
        scaled = erf.inputs[0].producer()
        if scaled is None or alone(erf.inputs[0], scaled.op_type) is None:
            return None
        if scaled.op_type == "Div" and scaled.inputs[0] is x and _is_number(scaled.inputs[1], math.sqrt(2)):
            return [add, erf, scaled]
        if scaled.op_type == "Mul":
            for inner, factor in (scaled.inputs, scaled.inputs[::-1]):
                if inner is x and _is_number(factor, math.sqrt(0.5)):
                    return [add, erf, scaled]
    return None


def _is_number(value: Any, number: float) -> bool:
    """Return whether a constant is that number, as a float32 has it, alone on a rank that changes nothing."""
    if value is None or value.const_value is None or math.prod(value.const_value.shape) != 1:
        return False
    array = array_of(value)
    if array is None or array.dtype.kind != "f" or array.ndim > 1:
        return False
    return abs(float(array.reshape(-1)[0]) - number) <= 1e-7 * abs(number)


def _replace(graph: Any, last: Any, op_type: str, inputs: list[Any], taken: list[Any]) -> None:
    """Put one node in the place of several; the last one's output is its own."""
    node = fused(op_type, inputs, last)
    if op_type == "Linear":  # the product lies within the layer's scope, the sum around it
        node.metadata_props.clear()
        node.metadata_props.update(taken[0].metadata_props)
    take_place(graph, node, last, taken)
