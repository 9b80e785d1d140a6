"""Which axes of a graph's values are the batch: learnt from two traces of one Cell.

MindSpore works out everything that depends on the batch size alone, and leaves plain numbers and constants.
Traced with another batch size, exactly those change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from .graph import Graph, MindirNode, MindirTensor, TensorType
from .image_loops import Unrolled


class BatchAxis(NamedTuple):
    """The axis of a value that grows with the batch, and how many elements of it belong to one image."""

    axis: int
    inner: int


def learn_batch_axes(graph: Graph, other: Graph, size: int, other_size: int) -> Graph | None:
    """Return the graph with what a trace with another batch size shows: batch axes, and shapes that stay.

    Loops over the images are one node each there (see `image_loops`). None if the two traces are not the same
    graph, node by node.
    """
    unrolled = (Unrolled(graph, size), Unrolled(other, other_size))
    loops: dict[str, MindirNode] = {}
    pairs = _pair_types(unrolled, loops)
    if pairs is None:
        return None
    if loops:
        graph = unrolled[0].with_loops(loops)
    found: dict[str, BatchAxis] = {}
    contradicted, steady = set(), set()
    for id_, mine, theirs in pairs:
        if len(mine.shape) != len(theirs.shape):
            return None
        grown = [axis for axis, (a, b) in enumerate(zip(mine.shape, theirs.shape, strict=True)) if a != b]
        if not grown:
            steady.add(id_)
            continue
        axis = grown[0]
        a, b = mine.shape[axis], theirs.shape[axis]
        place = BatchAxis(axis, a // size)
        if len(grown) > 1 or a % size or b != place.inner * other_size or found.get(id_, place) != place:
            contradicted.add(id_)
        found[id_] = place
    axes = {id_: place for id_, place in found.items() if id_ not in contradicted}
    stay = frozenset(steady - found.keys())
    return replace(graph, batch_axes=axes, steady=stay, unsettled=frozenset(contradicted))


def _pair_types(
    unrolled: tuple[Unrolled, Unrolled], loops: dict[str, MindirNode]
) -> list[tuple[str, TensorType, TensorType]] | None:
    """Return each value that the outputs need, its type in the first graph and in the other.

    Both are followed from the outputs back, because the order of nodes is not the same in two traces. The
    loops over the images of the first graph are added to `loops`, by the nodes that end them.
    """
    graphs = [one.graph for one in unrolled]
    nodes = [one.nodes for one in unrolled]
    waiting = list(zip(*(one.outputs for one in graphs), strict=False))
    seen: set[tuple[str, str]] = set()
    found: list[tuple[str, TensorType, TensorType]] = []
    while waiting:
        pair = waiting.pop()
        pair = (_resolve(pair[0], nodes[0]), _resolve(pair[1], nodes[1]))
        if pair in seen:
            continue
        seen.add(pair)
        constants = [one.constants.get(id_) for one, id_ in zip(graphs, pair, strict=True)]
        if all(isinstance(constant, MindirTensor) for constant in constants):
            found.append((pair[0], constants[0].type, constants[1].type))  # type: ignore[union-attr]
            continue
        mine, theirs = (one.get(id_) for one, id_ in zip(nodes, pair, strict=True))
        if mine is None or theirs is None:
            if (mine is None) != (theirs is None):
                return None
            continue
        if mine.primitive != theirs.primitive:
            return None
        folded = _fold(unrolled, (mine, theirs))
        if folded is not None:
            mine, theirs = folded
            loops[mine.id] = mine
        if mine.primitive == "UpdateState":
            effects = [_find_effects(one, known) for one, known in zip((mine, theirs), nodes, strict=True)]
            kinds = [[known[id_].primitive for id_ in ids] for ids, known in zip(effects, nodes, strict=True)]
            waiting += zip(*effects, strict=True) if kinds[0] == kinds[1] else ()
            continue
        if len(mine.inputs) != len(theirs.inputs):  # another number of branches, which are not a loop's
            return None
        if isinstance(mine.type, TensorType) and isinstance(theirs.type, TensorType):
            found.append((mine.id, mine.type, theirs.type))
        waiting += zip(mine.inputs, theirs.inputs, strict=True)
    return found


def _fold(
    unrolled: tuple[Unrolled, Unrolled], pair: tuple[MindirNode, MindirNode]
) -> tuple[MindirNode, MindirNode] | None:
    """Return two nodes as the loops over the images that they end, None if they do not end the same loop."""
    parts = [one.find_parts(node) for one, node in zip(unrolled, pair, strict=True)]
    if parts[0] is None or parts[1] is None:
        return None
    mine, theirs = (one.fold(*given) for one, *given in zip(unrolled, pair, parts, strict=True))  # type: ignore[arg-type]
    if mine is None or theirs is None or len(mine.inputs) != len(theirs.inputs):
        return None
    return (mine, theirs) if mine.attributes["body"].same_as(theirs.attributes["body"]) else None


def _find_effects(state: MindirNode, nodes: Mapping[str, MindirNode]) -> list[str]:
    """Return the nodes with side effects that a state waits for, the last first.

    Two traces group them otherwise, by further states and tuples.
    """
    found: dict[str, None] = {}
    grouping = {state.id}
    waiting = list(state.inputs)
    while waiting:
        node = nodes.get(_resolve(waiting.pop(), nodes))
        if node is None or node.id in grouping:
            continue
        if node.primitive in ("UpdateState", "MakeTuple"):
            grouping.add(node.id)
            waiting += node.inputs
        else:
            found.setdefault(node.id)
    return list(found)


def _resolve(id_: str, nodes: Mapping[str, MindirNode]) -> str:
    """Return what an id stands for, behind the nodes that only order side effects."""
    node = nodes.get(id_)
    while node is not None and node.primitive in ("Depend", "Load") and node.inputs:
        id_ = node.inputs[0]
        node = nodes.get(id_)
    return id_
