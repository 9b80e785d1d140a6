"""Types and shapes of all values, inferred from the inputs: by onnx, and by what else is known.

onnx does not follow values far: a Reshape to a computed shape has no rank for it, though the shape's length
says it, and the branch that an If takes is open, though sizes decide it. What is known is put in: computed
sizes as constants, shapes where onnx has none, branches in the place of their If. Then onnx goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from triport.converters.graphs.inferable import make_inferable

from .branches import write_out_branches
from .facts import Facts, inner_graphs, is_large, opset_of
from .node_by_node import follow, says_more
from .sequences import write_out_sequences
from .subgraphs import graphs_in

_ROUNDS = 60
_LONGEST_ROW = 1 << 16


class ShapesContradictError(Exception):
    """The shapes of a graph contradict each other."""


def inferred(proto: Any, is_sorted: bool) -> Any:
    """Return the model with types and shapes of all values; branches that sizes decide are written out.

    Args:
        proto: the model.
        is_sorted: whether its nodes stand behind what they read.

    Raises:
        ShapesContradictError: onnx finds a contradiction.
    """
    known: dict[str, np.ndarray] = {}
    large = {each.name: each for each in proto.graph.initializer if is_large(each)}
    holds_graphs = any(map(inner_graphs, proto.graph.node))
    found = _by_onnx(proto, known, large, holds_graphs)
    before: Facts | None = None  # what was known of the same nodes once all of them were followed
    for _ in range(_ROUNDS):
        facts = Facts(found.graph, opset_of(proto))
        if before is not None and not says_more(facts, before):
            break
        more, shaped = follow(proto, found, facts, known)
        known |= more
        decided = holds_graphs and write_out_branches(proto, found, facts)
        written = write_out_sequences(proto, facts)
        if not (more or shaped or decided or written):
            break
        before = None if holds_graphs or written or not is_sorted else facts
        found = _by_onnx(proto, known, large, holds_graphs)
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(found.graph.value_info)
    if holds_graphs:
        _copy_inner_infos(proto.graph, found.graph)
    of_outputs = {each.name: each for each in found.graph.output}
    for output in proto.graph.output:
        output.CopyFrom(of_outputs[output.name])
    return proto


def _by_onnx(
    proto: Any, known: Mapping[str, np.ndarray], large: Mapping[str, Any], holds_graphs: bool
) -> Any:
    """Return a copy of the model with what onnx infers; of large tensors only the shapes are read.

    Args:
        proto: the model.
        known: values that onnx is to read in the place of the nodes that compute them.
        large: the initializers that are not read.
        holds_graphs: whether a node of it does.
    """
    import onnx

    given = {each.name for each in proto.graph.input}
    slim = _without(proto, set(large))
    for name, tensor in large.items():
        if name not in given:
            slim.graph.input.append(
                onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
            )
    for node in slim.graph.node:
        name = node.output[0] if node.output else ""
        if name in known:
            tensor = onnx.numpy_helper.from_array(known[name])
            node.CopyFrom(onnx.helper.make_node("Constant", [], [name], name=node.name, value=tensor))
    make_inferable(slim.graph)
    slim.ir_version = max(slim.ir_version, 4)
    has_long_row = any(map(_has_long_row, graphs_in(slim.graph) if holds_graphs else [slim.graph]))
    try:
        return onnx.shape_inference.infer_shapes(slim, data_prop=not has_long_row)
    except Exception as error:
        raise ShapesContradictError(str(error)) from None


def _has_long_row(graph: Any) -> bool:
    """Return whether a stated value has one long axis.

    onnx keeps a record of each element of what may be sizes.
    """
    stated = (*graph.input, *graph.value_info, *graph.output)
    shapes = (value.type.tensor_type.shape.dim for value in stated)
    return any(len(dims) == 1 and dims[0].dim_value > _LONGEST_ROW for dims in shapes)


def _without(proto: Any, names: set[str]) -> Any:
    """Return a copy of the model without these initializers' data."""
    import onnx

    slim = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    graph = slim.graph
    graph.name = proto.graph.name or "graph"
    graph.node.extend(proto.graph.node)
    graph.input.extend(proto.graph.input)
    graph.output.extend(proto.graph.output)
    graph.value_info.extend(proto.graph.value_info)
    graph.initializer.extend(each for each in proto.graph.initializer if each.name not in names)
    return slim


def _copy_inner_infos(graph: Any, inferred_graph: Any) -> None:
    for node, other in zip(graph.node, inferred_graph.node, strict=True):
        for mine, its in zip(inner_graphs(node), inner_graphs(other), strict=True):
            del mine.value_info[:]
            mine.value_info.extend(its.value_info)
            known = {each.name: each for each in its.output}
            for output in mine.output:
                output.CopyFrom(known[output.name])
            _copy_inner_infos(mine, its)
