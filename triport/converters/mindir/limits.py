"""How much memory a graph takes when it is run, known beforehand: a small file can ask for any amount."""

from __future__ import annotations

import math
from collections.abc import Iterator

from triport.converters.formats.tensors import short

from .graph import Graph, TensorType, ValueType, item_size

MAX_BYTES = 8 << 30  # of all tensors that are needed at the same time

# what makes no tensors of its own
ALIASES = frozenset(("Depend", "Load", "MakeTuple", "TupleGetItem", "UpdateState", "make_list"))


def find_too_large(graph: Graph) -> str | None:
    """Return what takes too much memory for the graph to be run, None if nothing does."""
    last_use = {id_: len(graph.nodes) for id_ in graph.outputs}
    for index, node in reversed(list(enumerate(graph.nodes))):
        # what an alias stands for lives as long as the alias
        end = last_use.get(node.id, index) if node.primitive in ALIASES else index
        for id_ in node.inputs:
            last_use[id_] = max(last_use.get(id_, 0), end)
    sizes = {id_: _size(type_) for id_, type_ in graph.inputs.items()}
    live = sum(sizes.values())
    if live > MAX_BYTES:
        shapes = ", ".join(str(type_.shape) for type_ in graph.inputs.values())
        return f"the inputs, of shape {short(shapes)}, take {_say(live)}"
    ends: dict[int, list[str]] = {}
    for index, node in enumerate(graph.nodes):
        if node.primitive not in ALIASES:
            sizes[node.id] = _size(node.type)
            live += sizes[node.id]
            ends.setdefault(last_use.get(node.id, index), []).append(node.id)
        if live > MAX_BYTES:
            return f"with the result of {short(str(node))}, its tensors take {_say(live)} at a time"
        live -= sum(sizes[id_] for id_ in ends.pop(index, ()))
    return None


def _size(type_: ValueType) -> int:
    return sum(math.prod(item.shape) * item_size(item.elem_type) for item in _iterate(type_))


def _iterate(type_: ValueType) -> Iterator[TensorType]:
    if isinstance(type_, TensorType):
        yield type_
    elif isinstance(type_, tuple):
        for item in type_:
            yield from _iterate(item)


def _say(size: int) -> str:
    return f"{size / 2**30:,.0f} GiB"
