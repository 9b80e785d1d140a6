"""What is asked of an ONNX graph, whoever wrote it; graphs are onnx-ir's, files and what runs them onnx's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triport.converters.onnx_import.subgraphs import is_in_order

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

_STANDARD_DOMAINS = ("", "ai.onnx")


def image_input(graph: ir.Graph) -> ir.Value:
    """Return the first input that is fed: initializers may be listed among the inputs."""
    return next(value for value in graph.inputs if not value.is_initializer())


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose nodes come after what they read: the standard asks it, not every tool does it.

    What is no graph, such as one with a circle, is returned as it is: ONNX Runtime says what is wrong.
    """
    if is_in_order(model.graph):  # as nearly all are, and onnx-ir takes as long to load as onnx
        return model
    import onnx_ir as ir

    try:
        sorted_model = ir.from_proto(model)
        before = list(sorted_model.graph)
        sorted_model.graph.sort()
    except (ValueError, TypeError, KeyError, ir.serde.SerdeError):
        return model
    return model if list(sorted_model.graph) == before else ir.to_proto(sorted_model)


def named_instead(value: ir.Value, suffix: str) -> ir.Value:
    """Return a new value that takes over a value's name and its readers; the old name gets the suffix."""
    import onnx_ir as ir

    name = str(value.name)
    new = ir.Value(name=f"{name}{suffix}", type=value.type, shape=value.shape)
    value.replace_all_uses_with(new, replace_graph_outputs=True)
    value.name, new.name = new.name, name
    return new


def nodes_after(model: onnx.ModelProto, tensor: str, output: str) -> list[ir.Node]:
    """Return the nodes that make `output` of `tensor`, in the graph's order; constants are left out."""
    import onnx_ir as ir

    graph = ir.from_proto(model).graph
    values = ir.convenience.create_value_mapping(graph)
    start = values[tensor]
    made_of_it = {start}
    for node in graph:
        if made_of_it.intersection(node.inputs):
            made_of_it.update(node.outputs)
    needed, waiting = set[ir.Node](), [values[output]]
    while waiting:
        value = waiting.pop()
        maker = value.producer()
        if maker is not None and value is not start and value in made_of_it and maker not in needed:
            needed.add(maker)
            waiting += [given for given in maker.inputs if given is not None]
    return [node for node in graph if node in needed]


def described(nodes: Sequence[ir.Node], limit: int = 6) -> str:
    """Return the operators of nodes in words, those that have a name with it."""
    words = [f"{node.op_type} ({node.name})" if node.name else node.op_type for node in nodes[:limit]]
    more = f" and {len(nodes) - limit} more" if len(nodes) > limit else ""
    return ", ".join(words) + more


def own_operators(model: onnx.ModelProto) -> list[str]:
    """Return the operators that are not of the ONNX standard, each once, with their domains."""
    import onnx_ir as ir

    nodes = ir.traversal.RecursiveGraphIterator(ir.from_proto(model).graph)
    found = (node for node in nodes if node.domain not in _STANDARD_DOMAINS)
    return list(dict.fromkeys(f"{node.domain}.{node.op_type}" for node in found))
