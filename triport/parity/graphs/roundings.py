"""How far a graph's outputs move when each of its roundings falls otherwise.

A graph that computes in float16 somewhere rounds there as float16 does, whatever its inputs and outputs
are: what it may differ by is measured. In a copy of the graph each result of a node that rounds is
multiplied by 1 plus or minus up to one rounding of its own element type, at random and element by
element; copies that differ in the draw are as far apart as two runtimes that round differently.
(Known as Monte Carlo arithmetic: D. S. Parker, 1997.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from triport.converters.mindir.inferred import infer, iterate_types
from triport.parity.judge.noise import Noise, noises_of
from triport.parity.judge.tolerance import DRAWS
from triport.parity.onnx_graphs import named_instead

if TYPE_CHECKING:
    import onnx_ir as ir

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
    import onnx_ir as ir

    elem_types = {name: elem_type for name, elem_type, _ in iterate_types(infer(model))}
    copy = ir.from_proto(model)
    nodes = list(copy.graph)
    for number, node in enumerate(nodes):
        if node.op_type in EXACT or _only_widens(node, elem_types):
            continue
        for value in node.outputs:
            elem_type = elem_types.get(str(value.name))
            if elem_type in ROUNDINGS:
                copy.graph.insert_after(node, _moved(value, elem_type, seed * len(nodes) + number))
    return ir.to_proto(copy)


def noise_of_roundings(
    model: onnx.ModelProto, run: Callable[[onnx.ModelProto, int], Sequence[np.ndarray]]
) -> list[float]:
    """Return how far each output moves when each rounding of a graph falls otherwise.

    Args:
        model: the graph.
        run: returns the outputs of a changed copy; it is given the draw's number too.
    """
    return sizes_of(noises_of(run(perturb(model, draw + 1), draw) for draw in range(DRAWS + 1)))


def sizes_of(noises: Sequence[Noise]) -> list[float]:
    """Return the noises; a run whose outputs have other shapes widens nothing."""
    return [one.size if np.isfinite(one.size) else 0.0 for one in noises]


def narrowest_float(model: onnx.ModelProto) -> int | None:
    """Return bfloat16 or float16 if some value, also one in between, is that; None if all are wider."""
    found = {tensor.data_type for tensor in model.graph.initializer}
    found.update(elem_type for _, elem_type, _ in iterate_types(infer(model)))
    return next((one for one in (onnx.TensorProto.BFLOAT16, FLOAT16) if one in found), None)


def _only_widens(node: ir.Node, elem_types: dict[str, int]) -> bool:
    if node.op_type != "Cast":
        return False
    before, after = (elem_types.get(str(one.name)) for one in (node.inputs[0], node.outputs[0]) if one)
    rounding = (*ROUNDINGS, onnx.TensorProto.DOUBLE)
    return before in (after, FLOAT16) or before not in rounding


def _moved(value: ir.Value, elem_type: int, seed: int) -> list[ir.Node]:
    """Return the nodes that make a value of what its node made, computed in float32."""
    import onnx_ir as ir

    name = str(value.name)
    nodes: list[ir.Node] = []

    def made(op_type: str, *given: ir.Value, **attributes: Any) -> ir.Value:
        nodes.append(ir.node(op_type, given, attributes))
        nodes[-1].outputs[0].name = f"{name}/moved_{len(nodes)}"
        return nodes[-1].outputs[0]

    moved = named_instead(value, "/unmoved")
    size, one = (
        made("Constant", value=ir.tensor(np.float32(number))) for number in (ROUNDINGS[elem_type], 1.0)
    )
    wide = made("Cast", value, to=FLOAT)
    draw = made("RandomUniformLike", wide, low=-1.0, high=1.0, seed=float(seed))
    factor = made("Add", made("Mul", draw, size), one)
    nodes.append(ir.node("Cast", [made("Mul", wide, factor)], {"to": elem_type}, outputs=[moved]))
    return nodes
