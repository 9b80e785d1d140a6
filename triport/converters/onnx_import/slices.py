"""Slices that together are all of a value, in equal parts: one split, as a person would write it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .rewriting import remove
from .scopes import scope_of

_DEEP = 12  # nodes in a row that compute a bound
_FEW = 16  # elements of a constant that is a bound
_PASSED = frozenset(("Identity", "Cast", "Unsqueeze", "Squeeze"))
_ARITHMETIC = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.floordiv,
}


def split_slices(graph: Any) -> None:
    """Put one Split in the place of such slices."""
    for value in [*graph.inputs, *(v for node in list(graph) for v in node.outputs)]:
        readers = dict.fromkeys(use.node for use in value.uses())
        slices = [node for node in readers if node.op_type != "Shape"]
        if len(slices) < 2 or value.is_graph_output() or not all(_is_slice(n, graph, value) for n in slices):
            continue
        parts = sorted({part for node in slices if (part := _part(node, value)) is not None})
        axis, _, width = parts[0]
        whole = [(axis, i * width, (i + 1) * width) for i in range(len(parts))]
        is_all = parts == whole and len(parts) > 1 and parts[-1][2] == value.shape[axis]
        if is_all and len({scope_of(node) for node in slices}) == 1:
            _put_split(graph, value, slices, parts)


def _is_slice(node: Any, graph: Any, value: Any) -> bool:
    if node.op_type != "Slice" or node.domain not in ("", "ai.onnx") or node.graph is not graph:
        return False
    return node.inputs[0] is value and _part(node, value) is not None


def _part(node: Any, value: Any) -> tuple[int, int, int] | None:
    """Return axis, start and end of a slice along one axis of a known size, None of any other."""
    given = [_numbers(each, _DEEP) for each in node.inputs[1:]]
    if len(given) < 3 or value.shape is None or any(each is None or len(each) != 1 for each in given):
        return None
    start, end, axis, step = [each[0] for each in given if each is not None] + [1] * (4 - len(given))
    if step != 1 or start is None or end is None or axis is None:
        return None
    if not -len(value.shape) <= axis < len(value.shape):
        return None
    axis %= len(value.shape)
    size = value.shape[axis]
    if not isinstance(size, int):
        return None
    first, last = (min(n + size, size) if n < 0 else min(n, size) for n in (start, end))
    return (axis, first, last) if 0 <= first < last else None


def _numbers(value: Any, deep: int) -> list[int | None] | None:
    """Return the whole numbers of a constant, or of what follows from shapes; None for one that is free."""
    if value is None or value.dtype is None or value.dtype.bitwidth < 8 or not deep:
        return None
    if value.const_value is not None:
        small = value.const_value.size <= _FEW and value.dtype.is_integer()
        return [int(n) for n in np.asarray(value.const_value.numpy()).reshape(-1)] if small else None
    node = value.producer()
    if node is None or node.domain not in ("", "ai.onnx") or not node.inputs:
        return None
    if node.op_type == "Shape" and not node.attributes:
        shape = node.inputs[0].shape
        return None if shape is None else [n if isinstance(n, int) else None for n in shape]
    if node.op_type in _PASSED:
        return _numbers(node.inputs[0], deep - 1)
    given = [_numbers(each, deep - 1) for each in node.inputs]
    if len(given) != 2 or given[0] is None or given[1] is None:
        return None
    return _computed(node.op_type, given[0], given[1])


def _computed(op_type: str, a: list[int | None], b: list[int | None]) -> list[int | None] | None:
    if op_type == "Gather" and all(i is not None and -len(a) <= i < len(a) for i in b):
        return [a[i] for i in b if i is not None]
    if op_type not in _ARITHMETIC or len(a) != 1 or len(b) != 1 or a[0] is None or b[0] is None:
        return None
    if op_type == "Div" and (a[0] < 0 or b[0] <= 0):
        return None
    return [_ARITHMETIC[op_type](a[0], b[0])]


def _put_split(graph: Any, value: Any, slices: list[Any], parts: list[tuple[int, int, int]]) -> None:
    """Put a Split before the first of the slices, and let its parts be read in their place."""
    import onnx_ir as ir

    axis, _, width = parts[0]
    order = {node: i for i, node in enumerate(graph)}
    first = min(slices, key=order.__getitem__)
    inputs, attributes = [value], [ir.AttrInt64("axis", axis)]
    if graph.opset_imports.get("", 1) < 13:
        attributes.append(ir.AttrInt64s("split", [width] * len(parts)))
    else:
        sizes = ir.Value(name=f"{value.name}.sizes", const_value=ir.tensor(np.full(len(parts), width)))
        sizes.type, sizes.shape = ir.TensorType(ir.DataType.INT64), ir.Shape([len(parts)])
        sizes.meta["constant"] = True
        inputs.append(sizes)
    node = ir.Node("", "Split", inputs, attributes, num_outputs=len(parts), name=first.name)
    node.metadata_props.update(first.metadata_props)
    graph.insert_before(first, node)
    for each in slices:
        part = _part(each, value)
        old, new = each.outputs[0], node.outputs[parts.index(part)]  # type: ignore[arg-type]
        new.name, new.type, new.shape = old.name, old.type, old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    remove(graph, slices)
