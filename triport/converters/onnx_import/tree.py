"""The module tree: which nodes belong to which block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Block:
    """A part of the graph that becomes a class: nodes and inner blocks in the order in which they run."""

    path: str = ""
    items: list[Any] = field(default_factory=list)

    def nodes(self) -> Iterator[Any]:
        """Give every node, those of inner blocks too."""
        for item in self.items:
            if isinstance(item, Block):
                yield from item.nodes()
            else:
                yield item

    def inputs(self) -> list[Any]:
        """Return the values that are read here and made elsewhere, each once; constants are not among them."""
        nodes = list(self.nodes())
        made = {value for node in nodes for value in node.outputs}
        read = {v: None for node in nodes for v in read_by(node) if v not in made and v.const_value is None}
        return list(read)

    def outputs(self) -> list[Any]:
        """Return the values that are made here and read elsewhere."""
        nodes = list(self.nodes())
        here = set(nodes)
        return [
            value
            for node in nodes
            for value in node.outputs
            if value.is_graph_output() or any(_outer(use.node, here) for use in value.uses())
        ]


def _outer(node: Any, here: set[Any]) -> bool:
    """Return whether a reader lies elsewhere; one in an inner graph lies where the graph's node does."""
    while node is not None and node not in here:
        graph = node.graph
        node = graph.parent_node if graph is not None and hasattr(graph, "parent_node") else None
    return node is None


def read_by(node: Any) -> Iterator[Any]:
    """Give the values that a node reads, those that its inner graphs read from outside included."""
    import onnx_ir as ir

    for value in node.inputs:
        if value is not None:
            yield value
    for attribute in node.attributes.values():
        if isinstance(attribute, ir.Attr) and attribute.type == ir.AttributeType.GRAPH:
            graph = attribute.as_graph()
            inner = set(graph.inputs)
            read = []
            for each in graph:
                read += list(read_by(each))
                inner |= set(each.outputs)
            yield from (v for v in [*read, *graph.outputs] if v not in inner and not v.is_initializer())


def flat(graph: Any) -> Block:
    """Return a graph as one block."""
    return Block("", [node for node in graph if node.op_type != "Constant" or node.outputs[0].const_value is None])
