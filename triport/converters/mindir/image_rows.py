"""Reading and writing one image of a batch: its row of a tensor, along the first axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import onnx

from .call import array_from_tensor
from .graph import MindirNode, MindirTensor, TensorType

# where a cut into parts has its axis
_PARTS = {"Split": 1, "ChunkView": 2, "SplitTensorView": 2, "SplitWithSizeView": 2}


class RowPerImage(NamedTuple):
    """What several nodes read: row 0 of a tensor, row 1 and so on.

    Attributes:
        source: the tensor.
        is_dropped: whether the axis of one row is dropped.
        cut: the first node, if it does more than that: it reads row 0.
        passed: the nodes between the tensor and the readers.
    """

    source: str
    is_dropped: bool
    cut: MindirNode | None
    passed: frozenset[str]


class _Row(NamedTuple):
    """The tensor that a node reads one row of, which row, and how: what must be the same of each row.

    `passed` are the nodes between the tensor and the reader.
    """

    source: str
    row: int
    how: Any = None
    is_dropped: bool = False
    is_cut: bool = False
    passed: tuple[str, ...] = ()


def find_rows(
    readers: Sequence[MindirNode | None], nodes: Mapping[str, MindirNode], constants: Mapping[str, Any]
) -> RowPerImage | None:
    """Return what nodes read if that is one row each of one tensor, in order; None otherwise."""
    found: list[_Row] = []
    for place, node in enumerate(readers):
        one = _read(node, nodes, constants) if node is not None else None
        if one is None:
            return None
        one = _followed(one, nodes, constants)
        if one.row != place or (found and not is_same(_alike(one), _alike(found[0]))):
            return None
        found.append(one)
    first = found[0]
    passed = frozenset(id_ for one in found for id_ in one.passed)
    return RowPerImage(first.source, first.is_dropped, readers[0] if first.is_cut else None, passed)


def _alike(row: _Row) -> tuple[Any, ...]:
    return row.source, row.how, row.is_dropped, row.is_cut


def written_rows(
    node: MindirNode, nodes: Mapping[str, MindirNode], constants: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """Return what was written into the rows of a tensor, if each was, one after the other; None otherwise."""
    found: dict[int, str] = {}
    last: MindirNode | None = node
    while last is not None and last.primitive == "TensorScatterUpdate":
        row = _written_row(last, constants)
        if row is None or (found and row != min(found) - 1):
            return None
        found[row] = last.inputs[2]
        if row == 0:
            break
        last = nodes.get(last.inputs[0])
    is_whole = isinstance(node.type, TensorType) and node.type.shape[:1] == (len(found),)
    return tuple(reversed(found.values())) if 0 in found and is_whole else None


def is_same(one: Any, other: Any) -> bool:
    """Return whether two constants are the same, types and bits included."""
    if isinstance(one, tuple | list) and type(one) is type(other):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, MindirTensor):
        return bool(one == other)
    return type(one) is type(other) and repr(one) == repr(other)


def _written_row(node: MindirNode, constants: Mapping[str, Any]) -> int | None:
    """Return the one row that a TensorScatterUpdate writes, None if it writes otherwise."""
    index = constants.get(node.inputs[1])
    if not isinstance(index, MindirTensor) or index.type.shape != (1, 1):
        return None
    return _number(index)


def _number(held: Any) -> int | None:
    """Return a whole number that is held as such, or as the one element of a tensor."""
    if isinstance(held, MindirTensor):
        is_whole = held.type.elem_type in (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
        return int(array_from_tensor(held).item()) if is_whole and math.prod(held.type.shape) == 1 else None
    return held if type(held) is int else None


def _read(node: MindirNode, nodes: Mapping[str, MindirNode], constants: Mapping[str, Any]) -> _Row | None:
    """Return what a node reads if it reads one row of a tensor."""
    source, given = node.inputs[0] if node.inputs else "", [constants.get(id_) for id_ in node.inputs]
    if node.primitive == "TupleGetItem":
        row = _number(given[1])
        return _read_part(nodes.get(source), row, constants) if row is not None else None
    if node.primitive == "StridedSlice":
        return _read_cut(source, given[1:])
    row = None
    if node.primitive == "SelectExtView" and given[1] == 0:
        row = _number(given[2])
    elif node.primitive == "Gather" and given[2] == 0 and {_number(one) for one in given[3:]} <= {0}:
        row = _number(given[1])
    if row is None:
        return None
    keeps_axis = isinstance(given[1], MindirTensor) and given[1].type.shape == (1,)
    is_plain = not isinstance(given[1], MindirTensor) or given[1].type.shape == ()
    return _Row(source, row, is_dropped=is_plain) if keeps_axis or is_plain else None


def _read_part(node: MindirNode | None, row: int, constants: Mapping[str, Any]) -> _Row | None:
    """Return what is read of a tensor that was cut into its rows."""
    if node is None or not isinstance(node.type, tuple):
        return None
    if node.primitive in ("Unstack", "UnstackExtView"):
        is_view = node.primitive != "Unstack"
        axis = constants.get(node.inputs[1]) if is_view else node.attributes.get("axis")
        is_dropped = True
    else:
        axis = constants.get(node.inputs[_PARTS[node.primitive]]) if node.primitive in _PARTS else None
        is_dropped = False
        if not all(isinstance(one, TensorType) and one.shape[:1] == (1,) for one in node.type):
            return None
    if type(axis) is not int or axis != 0:
        return None
    return _Row(node.inputs[0], row, is_dropped=is_dropped, passed=(node.id,))


def _read_cut(source: str, given: Sequence[Any]) -> _Row | None:
    """Return what a StridedSlice reads, if it takes one row, and how it cuts that further."""
    cut = _first_entry(given)
    if cut is None:
        return None
    first, last, is_taken, is_open = cut
    if not is_taken and (is_open or last != first + 1):
        return None
    begin, end, strides, *masks = given
    if len(begin) == 1:
        return _Row(source, first, is_dropped=is_taken)
    return _Row(source, first, (begin[1:], end[1:], strides[1:], masks), is_taken, is_cut=True)


def _first_entry(given: Sequence[Any]) -> tuple[int, int, bool, bool] | None:
    """Return where a StridedSlice begins and ends in the first axis, whether it drops that, and has no end.

    None if it does something else there.
    """
    begin, end, strides, *masks = given
    bounds = (begin, end, strides)
    if len(masks) != 5 or not all(type(mask) is int for mask in masks):
        return None
    if not all(isinstance(one, tuple) and one for one in bounds):
        return None
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask = (bool(mask & 1) for mask in masks)
    is_open = begin_mask and not shrink_mask
    if is_open or ellipsis_mask or new_axis_mask or strides[0] != 1 or begin[0] < 0:
        return None
    return begin[0], end[0], shrink_mask, end_mask


def _followed(row: _Row, nodes: Mapping[str, MindirNode], constants: Mapping[str, Any]) -> _Row:
    """Return the row as one of the tensor before other rows were written or the first ones cut off."""
    node = nodes.get(row.source)
    while node is not None:
        place = row.row
        if node.primitive == "TensorScatterUpdate":
            written = _written_row(node, constants)
            if written is None or written < 0 or written == place:
                break
        elif node.primitive == "StridedSlice":
            given: list[Any] = [constants.get(id_) for id_ in node.inputs[1:]]
            cut = _first_entry(given)
            if cut is None or len(given[0]) > 1 or cut[2] or not cut[3]:
                break
            place += cut[0]
        else:
            break
        row = row._replace(source=node.inputs[0], row=place, passed=(*row.passed, node.id))
        node = nodes.get(row.source)
    return row
