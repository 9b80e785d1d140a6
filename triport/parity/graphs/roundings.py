"""How far a graph's outputs move when each of its roundings falls otherwise.

A graph that computes in float16 somewhere rounds there as float16 does, whatever its inputs and outputs
are: what it may differ by is measured. In a copy of the graph each result of a node that rounds is
multiplied by 1 plus or minus up to one rounding of its own element type, at random and element by
element; copies that differ in the draw are as far apart as two runtimes that round differently.
(Known as Monte Carlo arithmetic: D. S. Parker, 1997.)
"""

from __future__ import annotations

import onnx
from onnx import helper

from triport.converters.mindir.inferred import infer, iterate_types

FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
# the largest error of a rounding, relative; of float32 what moves a number at all
ROUNDINGS: dict[int, float] = {FLOAT: 2.0**-23, FLOAT16: 2.0**-11}
# what only moves, picks or compares numbers does not round
EXACT = frozenset(
    (
        *(
            "Abs",
            "Ceil",
            "Clip",
            "Compress",
            "Concat",
            "Constant",
            "ConstantOfShape",
            "DepthToSpace",
            "Expand",
        ),
        *(
            "Flatten",
            "Floor",
            "Gather",
            "GatherElements",
            "GatherND",
            "Identity",
            "Max",
            "MaxPool",
            "Min",
            "Neg",
        ),
        *("OneHot", "Pad", "Range", "ReduceMax", "ReduceMin", "Relu", "Reshape", "Round", "ScatterElements"),
        *(
            "ScatterND",
            "Sign",
            "Slice",
            "SpaceToDepth",
            "Split",
            "Squeeze",
            "Tile",
            "TopK",
            "Transpose",
            "Trilu",
        ),
        *("Unsqueeze", "Where"),
    )
)


def perturb(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """Return a copy of the graph whose roundings are moved at random, by the seed."""
    elem_types = {name: elem_type for name, elem_type, _ in iterate_types(infer(model))}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = list(copy.graph.node)
    del copy.graph.node[:]
    for number, node in enumerate(nodes):
        copy.graph.node.append(node)
        if node.op_type in EXACT or _only_widens(node, elem_types):
            continue
        added = copy.graph.node[-1]
        for index, name in enumerate(node.output):
            if name and elem_types.get(name) in ROUNDINGS:
                added.output[index] = f"{name}/unmoved"
                copy.graph.node.extend(_moved(name, elem_types[name], seed * len(nodes) + number))
    return copy


def narrowest_float(model: onnx.ModelProto) -> int | None:
    """Return bfloat16 or float16 if some value, also one in between, is that; None if all are wider."""
    found = {tensor.data_type for tensor in model.graph.initializer}
    found.update(elem_type for _, elem_type, _ in iterate_types(infer(model)))
    return next((one for one in (onnx.TensorProto.BFLOAT16, FLOAT16) if one in found), None)


def _only_widens(node: onnx.NodeProto, elem_types: dict[str, int]) -> bool:
    if node.op_type != "Cast":
        return False
    before, after = (elem_types.get(name) for name in (node.input[0], node.output[0]))
    rounding = (*ROUNDINGS, onnx.TensorProto.DOUBLE)
    return before in (after, FLOAT16) or before not in rounding


def _moved(name: str, elem_type: int, seed: int) -> list[onnx.NodeProto]:
    """Return the nodes that make a value of what its node made, computed in float32."""
    start, *steps = (f"{name}/{step}" for step in ("unmoved", "wide", "draw", "share", "factor", "moved"))
    wide, draw, share, factor, moved = steps
    constants = {
        f"{name}/size": helper.make_tensor("", FLOAT, (), [ROUNDINGS[elem_type]]),
        f"{name}/one": helper.make_tensor("", FLOAT, (), [1.0]),
    }
    nodes = [helper.make_node("Constant", [], [key], value=value) for key, value in constants.items()]
    return [
        *nodes,
        helper.make_node("Cast", [start], [wide], to=FLOAT),
        helper.make_node("RandomUniformLike", [wide], [draw], low=-1.0, high=1.0, seed=float(seed)),
        helper.make_node("Mul", [draw, f"{name}/size"], [share]),
        helper.make_node("Add", [share, f"{name}/one"], [factor]),
        helper.make_node("Mul", [wide, factor], [moved]),
        helper.make_node("Cast", [moved], [name], to=elem_type),
    ]
