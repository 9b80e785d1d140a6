"""What a Cell returns beside tensors: names, None, numbers.

A dictionary's keys become the names of ONNX outputs. They are not in MindIR, so the Cell is run for them.
None and constants are no computation: ONNX has no place for them, and whoever converts is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .graph import Graph, MindirNode, MindirTensor

_TUPLES = ("MakeTuple", "make_list")


def flatten(result: Any) -> list[Any]:
    """Return the tensors of a result in order; None, numbers and text are no computation."""
    if isinstance(result, dict):
        return flatten(list(result.values()))
    if isinstance(result, tuple | list):
        return [tensor for item in result for tensor in flatten(item)]
    return [] if result is None or isinstance(result, bool | int | float | str) else [result]


def iterate_tensors(result: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the tensors that a Cell returned, in order, each with the keys of the dictionaries around it."""
    if isinstance(result, dict):
        for key, item in result.items():
            yield from iterate_tensors(item, f"{name}.{key}" if name else str(key))
    elif isinstance(result, tuple | list):
        for item in result:
            yield from iterate_tensors(item, name)
    elif hasattr(result, "asnumpy"):
        yield name, result


def name_outputs(result: Any) -> tuple[str, ...]:
    """Return the names of the tensors that a Cell returned; none if no dictionary is among them."""
    found = [name for name, _ in iterate_tensors(result)]
    if not any(found):
        return ()
    return unique([name or f"output_{index}" for index, name in enumerate(found)], ())


def unique(names: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """Return the names, those that are taken or come twice with a number behind them."""
    used = set(taken)
    found = []
    for name in names:
        number, wished = 0, name
        while wished in used:
            number, wished = number + 1, f"{name}_{number + 1}"
        used.add(wished)
        found.append(wished)
    return tuple(found)


def describe_left_out(graph: Graph) -> list[tuple[str, str]]:
    """Return what a graph returns that is no tensor: its place among the results, and what it is."""
    nodes = {node.id: node for node in graph.nodes}
    many = len(graph.outputs) > 1
    found = []
    for index, id_ in enumerate(graph.outputs):
        found += list(_walk(graph, nodes, id_, [index] if many else []))
    return [(".".join(map(str, place)) or "0", what) for place, what in found]


def _walk(
    graph: Graph, nodes: dict[str, MindirNode], id_: str, place: list[int]
) -> Iterator[tuple[list[int], str]]:
    node = nodes.get(id_)
    if id_ in graph.constants:
        yield from _walk_constant(graph.constants[id_], place)
    elif node is not None and node.primitive in _TUPLES:
        for index, item in enumerate(node.inputs):
            yield from _walk(graph, nodes, item, [*place, index])
    elif node is not None and node.primitive == "Depend" and node.inputs:
        yield from _walk(graph, nodes, node.inputs[0], place)


def _walk_constant(value: Any, place: list[int]) -> Iterator[tuple[list[int], str]]:
    if isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _walk_constant(item, [*place, index])
    elif not isinstance(value, MindirTensor):
        yield place, "None" if value is None else f"the constant {value!r}"
