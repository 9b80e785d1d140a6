"""What is asked of an ONNX graph, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_STANDARD_DOMAINS = ("", "ai.onnx")


def image_input(graph: onnx.GraphProto) -> str:
    """Return the name of the first input that is fed: initializers may be listed among the inputs."""
    initializers = {tensor.name for tensor in graph.initializer}
    initializers |= {tensor.values.name for tensor in graph.sparse_initializer}
    return next(value.name for value in graph.input if value.name not in initializers)


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose nodes come after what they read: the standard asks it, not every tool does it."""
    import onnx

    nodes, by_node = list(model.graph.node), makers_of(model.graph)
    made, order, waiting = set[str](), list[int](), list(range(len(nodes)))
    while waiting:
        late = []
        for index in waiting:
            if all(name in made or name not in by_node for name in nodes[index].input):
                made.update(nodes[index].output)
                order.append(index)
            else:
                late.append(index)
        if len(late) == len(waiting):
            return model  # a circle, which ONNX Runtime refuses
        waiting = late
    if order == sorted(order):
        return model
    ordered = onnx.ModelProto()
    ordered.CopyFrom(model)
    del ordered.graph.node[:]
    ordered.graph.node.extend(nodes[index] for index in order)
    return ordered


def makers_of(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the index of the node that makes each tensor."""
    return {name: index for index, node in enumerate(graph.node) for name in node.output if name}


def nodes_after(graph: onnx.GraphProto, tensor: str, output: str) -> list[onnx.NodeProto]:
    """Return the nodes that make `output` of `tensor`, in the graph's order; constants are left out."""
    from_tensor = {tensor}
    for node in graph.node:
        if from_tensor.intersection(node.input):
            from_tensor.update(node.output)
    makers, needed, waiting = makers_of(graph), set[int](), [output]
    while waiting:
        name = waiting.pop()
        if name != tensor and name in from_tensor and makers[name] not in needed:
            needed.add(makers[name])
            waiting += graph.node[makers[name]].input
    return [graph.node[index] for index in sorted(needed)]


def described(nodes: list[onnx.NodeProto], limit: int = 6) -> str:
    """Return the operators of nodes in words, those that have a name with it."""
    words = [f"{node.op_type} ({node.name})" if node.name else node.op_type for node in nodes[:limit]]
    more = f" and {len(nodes) - limit} more" if len(nodes) > limit else ""
    return ", ".join(words) + more


def own_operators(graph: onnx.GraphProto) -> list[str]:
    """Return the operators that are not of the ONNX standard, each once, with their domains."""
    found = (node for node in every_node(graph) if node.domain not in _STANDARD_DOMAINS)
    return list(dict.fromkeys(f"{node.domain}.{node.op_type}" for node in found))


def every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs within it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from every_node(inner)
