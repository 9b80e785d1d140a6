"""Which axes of a graph's values are the batch: learnt from two traces of one Cell.

MindSpore works out everything that depends on the batch size alone, and leaves plain numbers and constants.
Traced with another batch size, exactly those change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .reader import Graph, Tensor, TensorType, ValueType


class BatchAxis(NamedTuple):
    """The axis of a value that grows with the batch, and how many elements of it belong to one image."""

    axis: int
    inner: int


def learn_batch_axes(graph: Graph, other: Graph, size: int, other_size: int) -> Graph | None:
    """Return the graph with the batch axes that a trace with another batch size shows.

    None if the two traces are not the same graph, node by node.
    """
    if [node.primitive for node in graph.nodes] != [node.primitive for node in other.nodes]:
        return None
    found: dict[str, BatchAxis] = {}
    contradicted = set()
    for id_, mine, theirs in _iterate_types(graph, other):
        if len(mine.shape) != len(theirs.shape):
            return None
        grown = [axis for axis, (a, b) in enumerate(zip(mine.shape, theirs.shape, strict=True)) if a != b]
        if len(grown) != 1:
            if grown:
                contradicted.add(id_)
            continue
        (axis,) = grown
        a, b = mine.shape[axis], theirs.shape[axis]
        place = BatchAxis(axis, a // size)
        if a % size or b != place.inner * other_size or found.get(id_, place) != place:
            contradicted.add(id_)
        found[id_] = place
    return replace(graph, batch_axes={id_: place for id_, place in found.items() if id_ not in contradicted})


def _iterate_types(graph: Graph, other: Graph) -> Iterator[tuple[str, TensorType, TensorType]]:
    """Yield each value of the first graph, its type there and in the other."""
    for mine, theirs in zip(graph.nodes, other.nodes, strict=True):
        yield from _pair(mine.id, mine.type, theirs.type)
        for id_, other_id in zip(mine.inputs, theirs.inputs, strict=False):
            first, second = graph.constants.get(id_), other.constants.get(other_id)
            if isinstance(first, Tensor) and isinstance(second, Tensor):
                yield id_, first.type, second.type
    for id_, other_id in zip(graph.outputs, other.outputs, strict=False):
        first, second = graph.constants.get(id_), other.constants.get(other_id)
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            yield id_, first.type, second.type


def _pair(id_: str, mine: ValueType, theirs: ValueType) -> Iterator[tuple[str, TensorType, TensorType]]:
    if isinstance(mine, TensorType) and isinstance(theirs, TensorType):
        yield id_, mine, theirs
