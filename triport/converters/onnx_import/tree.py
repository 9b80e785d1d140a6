"""The module tree: which nodes belong to which block.

A block is an interval of the nodes in the order in which they run, so that any choice of blocks computes the
same; names only decide where the intervals lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .fusing import fuse
from .group_norms import fuse_group_norms
from .layouts import turn_less
from .moves import put_rolls, put_together
from .quantizing import fuse_quantized
from .recurrences import tidy_recurrences
from .scopes import Homes
from .slices import split_slices
from .stored_once import part_equal, tie_turned


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
        """Return the values that are read here and made elsewhere, each once, without constants."""
        nodes = list(self.nodes())
        made = {value for node in nodes for value in node.outputs}
        read = {v: None for node in nodes for v in read_by(node) if v not in made and v.const_value is None}
        return list(read)

    def copy(self) -> Block:
        """Return the same blocks, which can be dissolved without these."""
        return Block(self.path, [each.copy() if isinstance(each, Block) else each for each in self.items])

    def dissolve(self, path: str) -> bool:
        """Put what a block within this one holds in its place; return whether there is one of that path."""
        for i, item in enumerate(self.items):
            if isinstance(item, Block):
                if item.path == path:
                    self.items[i : i + 1] = item.items
                    return True
                if item.dissolve(path):
                    return True
        return False

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


def _taken_out(block: Block) -> list[Any]:
    """Take nodes out of a block that read nothing of it and that others read too; return them.

    Exporters compute once what several blocks need, a mask or a shape: it lies in the first of them.
    """
    taken: list[Any] = []
    while True:
        made = {value for node in block.nodes() for value in node.outputs}
        outputs = set(block.outputs())
        found = [
            item
            for item in block.items
            if not isinstance(item, Block)
            and outputs & set(item.outputs)
            and not made & set(read_by(item))
            and not any(v.is_initializer() and v.const_value.size > 1 for v in item.inputs if v is not None)
        ]
        if not found:
            return taken
        taken += found
        block.items = [item for item in block.items if item not in found]


def flat(graph: Any) -> Block:
    """Return a graph as one block."""
    return Block(
        "", [node for node in graph if node.op_type != "Constant" or node.outputs[0].const_value is None]
    )


def blocks_of(graph: Any) -> Block:
    """Return a graph as blocks within blocks, as its names and scopes have them."""
    part_equal(graph)
    tie_turned(graph)
    fuse(graph)
    fuse_group_norms(graph)
    fuse_quantized(graph)
    turn_less(graph)
    put_rolls(graph)
    split_slices(graph)
    put_together(graph)
    tidy_recurrences(graph)
    whole = flat(graph)
    constant, running = _parted(whole.items)
    homes = Homes(running)
    root = _Intervals(running, homes).block("", 0, len(running))
    _place(constant, root)
    return root


def _parted(nodes: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the nodes that only read constants, and the others."""
    fixed: set[Any] = set()
    constant, running = [], []
    for node in nodes:
        read = list(read_by(node))
        if read and all(v.const_value is not None or v in fixed for v in read):
            fixed.update(node.outputs)
            constant.append(node)
        else:
            running.append(node)
    return constant, running


def _place(constant: list[Any], root: Block) -> None:
    """Put nodes that only read constants before the first of their readers, in the block of all of these."""
    if not root.items:
        root.items = list(constant)
        return
    around: dict[Any, tuple[Block, ...]] = {}  # of each node, the blocks around it
    order: dict[int, int] = {}  # of each item of a block, its place there
    _look_around(root, (root,), around, order)
    before: dict[int, list[Any]] = {}  # of each item, what is put before it
    items: dict[Any, Any] = {}  # of each node that is put somewhere, the item before which it is
    for node in reversed(constant):
        readers = [use.node for value in node.outputs for use in value.uses()]
        is_output = any(value.is_graph_output() for value in node.outputs)
        if is_output or not readers or not all(each in around for each in readers):
            around[node] = (root,)  # a graph's output, or read by a node of an inner graph
            items[node] = root.items[0]
        else:
            shared = _shared([around[each] for each in readers])
            inside = [
                items.get(each, each) if len(around[each]) == len(shared) else around[each][len(shared)]
                for each in readers
            ]
            around[node], items[node] = shared, min(inside, key=lambda item: order[id(item)])
        before.setdefault(id(items[node]), []).insert(0, node)
    for block in {id(block): block for blocks in around.values() for block in blocks}.values():
        block.items = [each for item in block.items for each in (*before.get(id(item), ()), item)]


def _look_around(
    block: Block, blocks: tuple[Block, ...], around: dict[Any, tuple[Block, ...]], order: dict[int, int]
) -> None:
    for place, item in enumerate(block.items):
        order[id(item)] = place
        if isinstance(item, Block):
            _look_around(item, (*blocks, item), around, order)
        else:
            around[item] = blocks


def _shared(blocks: list[tuple[Block, ...]]) -> tuple[Block, ...]:
    """Return the blocks around all of several nodes."""
    shared = blocks[0]
    for each in blocks[1:]:
        same = [a is b for a, b in zip(shared, each, strict=False)]
        shared = shared[: same.index(False)] if False in same else shared[: len(same)]
    return shared


class _Intervals:
    """Nodes in order, parted into blocks."""

    def __init__(self, nodes: list[Any], homes: Homes) -> None:
        self.nodes, self.homes = nodes, homes
        self.position = {node: i for i, node in enumerate(nodes)}
        self.last_read: dict[Any, int] = {}
        self.values: list[list[Any]] = []  # of each node, what it reads and makes
        for i, node in enumerate(nodes):
            read = [value for value in read_by(node) if value.const_value is None]
            self.last_read.update(dict.fromkeys(read, i))
            self.values.append([*node.outputs, *read])
        self._blocks_around: dict[str, list[str]] = {}

    def block(self, path: str, low: int, high: int) -> Block:
        """Return the nodes of an interval as a block of that path, its inner blocks found."""
        spans = self._spans(path, low, high)
        edges = sorted((first, last, child) for child, (first, last) in spans.items())
        ends = [
            self._end(last, edges[i + 1][0] if i + 1 < len(edges) else high)
            for i, (_, last, _) in enumerate(edges)
        ]
        families: dict[str, list[int]] = {}
        for i, (_, _, child) in enumerate(edges):
            families.setdefault(re.sub(r"\d+", "#", child), []).append(i)
        for family in families.values():
            length = self._common([(edges[i][1] + 1, ends[i]) for i in family])
            for i in family:
                ends[i] = (
                    edges[i][1] + 1 + length if len(family) > 1 else self._earliest(edges[i][1] + 1, ends[i])
                )
        block, at = Block(path), low
        for (first, _, child), end in zip(edges, ends, strict=True):
            block.items += self.nodes[at:first]
            inner = self.block(child, first, end)
            block.items += _taken_out(inner)
            if len(list(inner.nodes())) > 1:
                block.items.append(inner)
            else:
                block.items += inner.items
            at = end
        block.items += self.nodes[at:high]
        return block

    def _child(self, node: Any, path: str, opened: set[str]) -> str | None:
        """Return the block within `path` that a node lies in, "" if in none of them, None if not known."""
        home = self.homes.of(node)
        if home is None:
            return None
        prefix = f"{path}." if path else ""
        if home == path or not home.startswith(prefix):
            return ""
        return next((b for b in self._around(home) if b.startswith(prefix) and b not in opened), "")

    def _around(self, home: str) -> list[str]:
        """Return the blocks around a home and itself, outer ones first."""
        found = self._blocks_around.get(home)
        if found is None:
            steps = home.split(".")
            paths = (".".join(steps[:i]) for i in range(1, len(steps) + 1))
            found = self._blocks_around[home] = [path for path in paths if path in self.homes.blocks]
        return found

    def _spans(self, path: str, low: int, high: int) -> dict[str, tuple[int, int]]:
        """Return the first and last node of each inner block.

        One that interleaves with others is none: then those within it are looked for.
        """
        opened: set[str] = set()
        while True:
            children = [self._child(self.nodes[i], path, opened) for i in range(low, high)]
            spans: dict[str, tuple[int, int]] = {}
            for i, child in enumerate(children, low):
                if child:
                    first, _ = spans.get(child, (i, i))
                    spans[child] = (first, i)
            interleaved = {
                child
                for child, (first, last) in spans.items()
                if any(children[i - low] not in (child, None) for i in range(first, last + 1))
            }
            if not interleaved:
                return spans
            opened |= interleaved

    def _end(self, last: int, limit: int) -> int:
        """Return the latest end that a block can have: what follows it is of no known home until there."""
        end = last + 1
        while end < limit and self.homes.of(self.nodes[end]) is None:
            end += 1
        return end

    def _crossing(self, first: int, last: int, low: int) -> list[int]:
        """Return of each cut how many values are made or read from `low` on before it and read after it."""
        crossing, waiting = [], {v for values in self.values[low:first] for v in values}
        for cut in range(first, last + 1):
            waiting = {v for v in waiting if self.last_read.get(v, -1) >= cut}
            crossing.append(len(waiting))
            waiting.update(self.values[cut] if cut < len(self.values) else ())
        return crossing

    def _common(self, tails: list[tuple[int, int]]) -> int:
        """Return how many nodes the tails of a family have in common, up to where the fewest values cross."""
        kinds = [[node.op_type for node in self.nodes[a:b]] for a, b in tails]
        length = 0
        while all(len(k) > length for k in kinds) and len({k[length] for k in kinds}) == 1:
            length += 1
        first = tails[0][0]
        crossing = self._crossing(first, first + length, max(first - 40, 0))
        return max(n for n, c in enumerate(crossing) if c == min(crossing))

    def _earliest(self, start: int, end: int) -> int:
        """Return the first cut at which the fewest values cross."""
        crossing = self._crossing(start, end, max(start - 40, 0))
        return start + crossing.index(min(crossing))
