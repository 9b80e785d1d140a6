"""A GraphProto and the graphs within its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def graphs_in(graph: Any) -> Iterator[Any]:
    """Yield a graph, and those that its nodes hold at any depth, each before what it holds."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_in(attribute.g)
