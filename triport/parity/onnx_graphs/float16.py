"""float16 within an ONNX file, rounded on a CPU as the file says.

ONNX Runtime's CPU provider has no float16 arithmetic: it computes such nodes in float32 between casts, and
takes out a cast to float16 with the cast back that follows it. So what the file rounds is not rounded. Here
each float16 value passes one more node, which keeps the two casts apart; the optimiser, which would take that
node out too, has to be off.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import every_node

if TYPE_CHECKING:
    import onnx

_EXACT = ":unrounded"


def has_float16(model: onnx.ModelProto) -> bool:
    """Whether anything that a model computes with is float16; its weights need not be loaded."""
    from onnx import TensorProto

    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    return (
        any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)
        or any(value.type.tensor_type.elem_type == TensorProto.FLOAT16 for value in values)
        or any(
            (attribute.name == "to" and attribute.i == TensorProto.FLOAT16)
            or attribute.t.data_type == TensorProto.FLOAT16
            for node in every_node(model.graph)
            for attribute in node.attribute
        )
    )


def is_float16_file(path: Path) -> bool:
    """Whether anything of an ONNX file is computed in float16."""
    import onnx

    return has_float16(onnx.load(path, load_external_data=False))


def rounded_as_said(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """Return a model of the same function whose float16 values stay apart, and how many nodes make any.

    Nodes inside of If, Loop and Scan are left as they are.
    """
    import onnx

    apart = onnx.ModelProto()
    apart.CopyFrom(model)
    halves = _float16_tensors(model)
    outputs = {value.name for value in model.graph.output}
    count = 0
    del apart.graph.node[:]
    for node in model.graph.node:
        copy = apart.graph.node.add()
        copy.CopyFrom(node)
        made = [name for name in node.output if name in halves]
        count += bool(made)
        for index, name in enumerate(node.output):
            if name in halves and (node.op_type != "Constant" or name in outputs):
                copy.output[index] = name + _EXACT
                apart.graph.node.append(onnx.helper.make_node("Identity", [name + _EXACT], [name]))
    return apart, count


def _float16_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the tensors that are float16; what an unknown operator makes is what it is given first."""
    import onnx
    from onnx import TensorProto

    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        types.setdefault(value.name, value.type.tensor_type.elem_type)
    for node in graph.node:
        given = next((types[name] for name in node.input if types.get(name)), TensorProto.UNDEFINED)
        for name in node.output:
            if not types.get(name):
                types[name] = given
    return {name for name, found in types.items() if found == TensorProto.FLOAT16}
