"""A GraphProto and the graphs within its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any


def graphs_in(graph: Any) -> Iterator[Any]:
    """Yield a graph, and those that its nodes hold at any depth, each before what it holds."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_in(attribute.g)


def is_in_order(graph: Any, around: Set[str] = frozenset()) -> bool:
    """Return whether each node comes after what it reads; `around` are the names of the graphs around it."""
    known = {"", *around, *(value.name for value in graph.input), *(one.name for one in graph.initializer)}
    known.update(one.values.name for one in graph.sparse_initializer)
    for node in graph.node:
        if not known.issuperset(node.input):
            return False
        for attribute in node.attribute:
            inner = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())]
            if not all(is_in_order(one, known) for one in inner):
                return False
        known.update(node.output)
    return True
