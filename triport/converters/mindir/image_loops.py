"""Code that takes the images one by one, found in its unrolled graph.

MindSpore unrolls such a loop: the graph has a branch for each image, and puts their results together. If all
branches are the same, but for the image that each reads, one of them says it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .graph import Graph, MindirNode, TensorType, ValueType
from .image_rows import RowPerImage, find_rows, is_same, written_rows
from .operators import load_operators

IMAGE_LOOP = "ImageLoop"  # no primitive of MindSpore's: what a folded loop is called
# ties to the order of side effects, which a branch taken out of that order would lose
_ORDERED = frozenset(("Depend", "Load", "TensorMove", "UpdateState"))
_LISTS = ("MakeTuple", "make_list")


@dataclass(frozen=True, slots=True)
class LoopBody:
    """What is done with each image, and how the results are joined; equal bodies compute the same.

    In `nodes` and `output`, "row0", "row1" ... are what is read of the image, with an axis of one image;
    "only0" ... are the same without that axis, and "kept0" ... are what all images read.

    Attributes:
        rows: the types of what is read of an image, its axis included.
        constants: by the names that the nodes have for them.
        nodes: of the first image's branch.
        output: the result.
        type: its type.
        axis: along which the results are joined.
        is_stacked: whether that axis is a new one.
        scopes: of the nodes.
    """

    rows: tuple[TensorType, ...]
    constants: Mapping[str, Any] = field(compare=False)
    nodes: tuple[MindirNode, ...]
    output: str
    type: TensorType
    axis: int
    is_stacked: bool
    scopes: tuple[str, ...] = field(compare=False)

    def same_as(self, other: LoopBody) -> bool:
        """Return whether another body is the same, constants bit for bit."""
        constants = [list(body.constants.items()) for body in (self, other)]
        return self == other and is_same(*constants)


class Unrolled:
    """A graph in which loops over the images are looked for."""

    def __init__(self, graph: Graph, batch_size: int) -> None:
        """Begin; `batch_size` is the traced one."""
        self.graph, self.batch_size = graph, batch_size
        self.nodes = {node.id: node for node in graph.nodes}
        self.places = {node.id: place for place, node in enumerate(graph.nodes)}
        self.in_place = {
            name: one.in_place for name, one in load_operators().items() if one.in_place is not None
        }
        self._writes = [
            (self.places[node.id], self.storage_of(node.id))
            for node in graph.nodes
            if node.primitive in self.in_place
        ]

    def storage_of(self, id_: str) -> str:
        """Return what made the storage that a value lies in: what writes in place returns that storage."""
        node = self.nodes.get(id_)
        while node is not None:
            if node.primitive in self.in_place:
                id_ = node.inputs[self.in_place[node.primitive]]
            elif node.primitive in ("Depend", "TupleGetItem"):
                id_ = node.inputs[0]
            else:
                break
            node = self.nodes.get(id_)
        return id_

    def find_parts(self, node: MindirNode) -> tuple[str, ...] | None:
        """Return what a node joins, if that is one part for each image."""
        found: tuple[str, ...] | None = written_rows(node, self.nodes, self.graph.constants)
        if node.primitive in ("Concat", "Stack", "StackExt") and node.inputs:
            parts = self.nodes.get(node.inputs[0])
            found = parts.inputs if parts is not None and parts.primitive in _LISTS else None
        return found if found is not None and len(found) == self.batch_size > 1 else None

    def fold(self, node: MindirNode, parts: tuple[str, ...]) -> MindirNode | None:
        """Return the loop that a node ends, in the place of that node; None if its parts are not a loop's."""
        end = self._how_joined(node)
        walk = _Walk(self)
        output = walk.follow(parts) if end is not None else None
        if end is None or output is None or not walk.sources or walk.type_of(parts[0]) != end[2]:
            return None
        begin, last = min(self.places[id_] for id_ in walk.read if id_ in self.places), self.places[node.id]
        storages = {self.storage_of(id_) for id_ in walk.read}
        written = {storage for place, storage in self._writes if begin < place < last}
        # of a list it is not known which of its tensors is meant
        is_unclear = any(map(self._is_list, (*storages, *written))) and bool(written)
        if is_unclear or not written.isdisjoint(storages):
            return None
        axis, is_stacked, type_ = end
        body = LoopBody(
            tuple(walk.rows),
            walk.constants,
            tuple(walk.nodes),
            output,
            type_,
            axis,
            is_stacked,
            tuple(walk.scopes),
        )
        inputs = (*walk.sources, *walk.kept)
        return MindirNode(node.id, IMAGE_LOOP, {"body": body}, inputs, node.type, node.scope)

    def _is_list(self, id_: str) -> bool:
        return id_ in self.nodes and self.nodes[id_].primitive in _LISTS

    def _how_joined(self, node: MindirNode) -> tuple[int, bool, TensorType] | None:
        """Return the axis along which a node joins its parts, whether it is new, and the type of a part."""
        whole = node.type
        if not isinstance(whole, TensorType) or not whole.shape:
            return None
        axis: Any = 0
        if node.primitive in ("Concat", "StackExt"):
            axis = self.graph.constants.get(node.inputs[1])
        elif node.primitive == "Stack":
            axis = node.attributes.get("axis")
        rank = len(whole.shape)
        if type(axis) is not int or not -rank <= axis < rank:
            return None
        axis %= rank
        before, behind = whole.shape[:axis], whole.shape[axis + 1 :]
        if node.primitive in ("Stack", "StackExt"):
            return axis, True, TensorType(whole.elem_type, before + behind)
        of_one = whole.shape[axis] // self.batch_size
        return axis, False, TensorType(whole.elem_type, (*before, of_one, *behind))

    def with_loops(self, loops: Mapping[str, MindirNode]) -> Graph:
        """Return the graph with loops in the place of the nodes that end them, and without their branches."""
        nodes = {**self.nodes, **loops}
        needed: set[str] = set()
        waiting = list(self.graph.outputs)
        while waiting:
            id_ = waiting.pop()
            if id_ not in needed:
                needed.add(id_)
                waiting += nodes[id_].inputs if id_ in nodes else ()
        return replace(
            self.graph, nodes=tuple(nodes[node.id] for node in self.graph.nodes if node.id in needed)
        )


class _DifferentError(Exception):
    """The branches are not the same."""


class _Walk:
    """Follows what the branches compute, all at once, from their results to what they read.

    `read` has all values that were followed.
    """

    def __init__(self, unrolled: Unrolled) -> None:
        self.unrolled = unrolled
        self.sources: list[str] = []
        self.rows: list[TensorType] = []
        self.kept: list[str] = []
        self.constants: dict[str, Any] = {}
        self.nodes: list[MindirNode] = []
        self.scopes: list[str] = []
        self.read: set[str] = set()
        self._known: dict[tuple[str, ...], str] = {}

    def follow(self, parts: tuple[str, ...]) -> str | None:
        """Return the name of the result, None if the branches are not the same."""
        waiting = [parts]
        try:
            while waiting:
                ids = waiting[-1]
                left = (
                    []
                    if ids in self._known
                    else [one for one in self._columns(ids) if one not in self._known]
                )
                if left:
                    waiting += left
                    continue
                if ids not in self._known:
                    self._known[ids] = self._name(ids)
                waiting.pop()
        except _DifferentError:
            return None
        return self._known[parts]

    def _columns(self, ids: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield what has to be followed before a value, of each branch: what its node reads."""
        if len(set(ids)) > 1 and not self._are_constants(ids) and self._find_rows(ids) is None:
            yield from zip(*(node.inputs for node in self._nodes_of(ids)), strict=True)

    def _name(self, ids: tuple[str, ...]) -> str:
        """Return the name of a value in the body; what it reads has one already."""
        constants = self.unrolled.graph.constants
        if self._are_constants(ids):
            if not all(is_same(constants[id_], constants[ids[0]]) for id_ in ids):
                raise _DifferentError
            return self._constant(constants[ids[0]])
        if len(set(ids)) == 1:
            self.read.add(ids[0])
            self.kept.append(ids[0])
            return f"kept{len(self.kept) - 1}"
        rows = self._find_rows(ids)
        if rows is None:
            first = self._nodes_of(ids)[0]
            columns = [self._known[column] for column in self._columns(ids)]
            return self._node(first, columns, first.type)
        if rows.source not in self.sources:
            self.sources.append(rows.source)
            of_all = self.type_of(rows.source)
            assert of_all is not None
            self.rows.append(TensorType(of_all.elem_type, (1, *of_all.shape[1:])))
        place = self.sources.index(rows.source)
        if rows.cut is None:
            return f"{'only' if rows.is_dropped else 'row'}{place}"
        others = [self._constant(constants[id_]) for id_ in rows.cut.inputs[1:]]
        return self._node(rows.cut, [f"row{place}", *others], rows.cut.type)

    def _find_rows(self, ids: tuple[str, ...]) -> RowPerImage | None:
        rows = find_rows(
            [self.unrolled.nodes.get(id_) for id_ in ids], self.unrolled.nodes, self.unrolled.graph.constants
        )
        type_ = self.type_of(rows.source) if rows is not None else None
        if rows is None or type_ is None or type_.shape[:1] != (self.unrolled.batch_size,):
            return None
        self.read.update((*ids, *rows.passed, rows.source))
        return rows

    def _nodes_of(self, ids: Sequence[str]) -> list[MindirNode]:
        """Return the nodes that make the values of the branches, which must do the same."""
        found = [self.unrolled.nodes.get(id_) for id_ in ids]
        nodes = [node for node in found if node is not None]
        first = nodes[0] if nodes else None
        if (
            first is None
            or len(nodes) < len(found)
            or first.primitive in _ORDERED
            or first.primitive in self.unrolled.in_place
            or not _is_value(first.type)
        ):
            raise _DifferentError
        self.read.update(ids)
        for node in nodes[1:]:
            is_alike = (
                node.primitive == first.primitive
                and len(node.inputs) == len(first.inputs)
                and node.type == first.type
                and is_same(sorted(node.attributes.items()), sorted(first.attributes.items()))
            )
            if not is_alike:
                raise _DifferentError
        return nodes

    def _are_constants(self, ids: Sequence[str]) -> bool:
        return all(id_ in self.unrolled.graph.constants for id_ in ids)

    def type_of(self, id_: str) -> TensorType | None:
        """Return the type of what a node makes or what the graph is given, None of anything else."""
        node = self.unrolled.nodes.get(id_)
        type_ = node.type if node is not None else self.unrolled.graph.inputs.get(id_)
        return type_ if isinstance(type_, TensorType) else None

    def _constant(self, value: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = value
        return name

    def _node(self, node: MindirNode, inputs: Sequence[str], type_: ValueType) -> str:
        name = f"value{len(self.nodes)}"
        self.nodes.append(MindirNode(name, node.primitive, node.attributes, tuple(inputs), type_, ""))
        self.scopes.append(node.scope)
        return name


def _is_value(type_: ValueType) -> bool:
    """Return whether a node makes tensors alone, and no token that orders side effects."""
    if isinstance(type_, tuple):
        return all(map(_is_value, type_))
    return isinstance(type_, TensorType)
