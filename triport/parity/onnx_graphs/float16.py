"""float16 within an ONNX file, rounded on a CPU as the file says.

ONNX Runtime's CPU provider has no float16 arithmetic: it computes such nodes in float32 between casts, and
takes out a cast to float16 with the cast back that follows it. So what the file rounds is not rounded. Here
each float16 value passes one more node, which keeps the two casts apart; the optimiser, which would take that
node out too, has to be off.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import named_instead

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_EXACT = ":unrounded"


def has_float16(model: onnx.ModelProto) -> bool:
    """Whether anything that a model computes with is float16; its weights need not be loaded."""
    return _graph_has_float16(model.graph)


def _graph_has_float16(graph: onnx.GraphProto) -> bool:
    """Whether a graph, or one within it, has float16; of the file alone, which every run of a file asks."""
    half = 10  # onnx.TensorProto.FLOAT16
    stated = (*graph.input, *graph.output, *graph.value_info)
    return (
        any(value.type.tensor_type.elem_type == half for value in stated)
        or any(tensor.data_type == half for tensor in graph.initializer)
        or any(tensor.values.data_type == half for tensor in graph.sparse_initializer)
        or any(_makes_float16(attribute, half) for node in graph.node for attribute in node.attribute)
    )


def _makes_float16(attribute: onnx.AttributeProto, half: int) -> bool:
    if attribute.t.data_type == half or (attribute.name == "to" and attribute.i == half):
        return True
    return _graph_has_float16(attribute.g) or any(map(_graph_has_float16, attribute.graphs))


def is_float16_file(path: Path) -> bool:
    """Whether anything of an ONNX file is computed in float16."""
    import onnx

    return has_float16(onnx.load(path, load_external_data=False))


def rounded_as_said(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """Return a model of the same function whose float16 values stay apart, and how many nodes make any.

    Nodes inside of If, Loop and Scan are left as they are.
    """
    import onnx_ir as ir

    apart = ir.from_proto(model)
    halves = _float16_names(model)
    count = 0
    for node in list(apart.graph):
        made = [value for value in node.outputs if value.name in halves]
        count += bool(made)
        for value in made:
            if node.op_type != "Constant" or value.is_graph_output():
                _pass_on(node, value)
    return ir.to_proto(apart), count


def keeps_apart(node: ir.Node) -> bool:
    """Whether a node is not the file's, but stands between two of its casts (see `rounded_as_said`)."""
    return node.op_type == "Identity" and str(node.inputs[0] and node.inputs[0].name).endswith(_EXACT)


def _pass_on(node: ir.Node, value: ir.Value) -> None:
    """Let all that reads a value read a copy of it, which takes over its name."""
    import onnx_ir as ir

    assert node.graph is not None
    copy = named_instead(value, _EXACT)
    node.graph.insert_after(node, ir.node("Identity", [value], outputs=[copy]))


def _float16_names(model: onnx.ModelProto) -> set[str]:
    """Return the tensors that are float16; what an unknown operator makes is what it is given first."""
    import onnx
    import onnx_ir as ir

    graph = ir.from_proto(onnx.shape_inference.infer_shapes(model)).graph
    types = {value: value.dtype for value in (*graph.inputs, *graph.initializers.values())}
    for node in graph:
        given = next((types[value] for value in node.inputs if value and types.get(value)), None)
        for value in node.outputs:
            types[value] = value.dtype or given
    return {str(value.name) for value, found in types.items() if found == ir.DataType.FLOAT16}
