"""Recurrent layers as frameworks have them: zeros are no initial states, directions lie side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from .moves import ints_of
from .rewriting import remove

_RECURRENT = frozenset(("LSTM", "GRU", "RNN"))
_KEEPING = frozenset(
    ("Identity", "Split", "Slice", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Expand", "Tile", "Gather")
)
_DEEP = 8


def tidy_recurrences(graph: Any) -> None:
    """Change recurrent nodes, in place."""
    for node in list(graph):
        if node.op_type in _RECURRENT and node.domain in ("", "ai.onnx"):
            states = [i for i in ((5, 6) if node.op_type == "LSTM" else (5,)) if i < len(node.inputs)]
            given = [node.inputs[i] for i in states]
            if given and all(value is None or _is_zero(value, _DEEP) for value in given):
                for i in states:
                    node.replace_input_with(i, None)
                for value in given:
                    _drop_unread(graph, value)
            if "layout" not in node.attributes:
                _join(graph, node)


def _is_zero(value: Any, depth: int) -> bool:
    """Return whether a value is zeros, of whatever shape."""
    import onnx_ir as ir

    if value.const_value is not None:
        is_small = value.const_value.size <= 1 << 16 and value.dtype is not None and value.dtype.bitwidth >= 8
        return is_small and not np.any(np.asarray(value.const_value.numpy()))
    node = value.producer()
    if node is None or not depth or node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "ConstantOfShape":
        filled = node.attributes.get("value")
        if filled is not None and filled.type != ir.AttributeType.TENSOR:
            return False
        return filled is None or not np.any(np.asarray(filled.as_tensor().numpy()))
    return node.op_type in _KEEPING and _is_zero(node.inputs[0], depth - 1)


def _drop_unread(graph: Any, value: Any) -> None:
    """Take out what only made a value that nobody reads."""
    node = value.producer() if value is not None else None
    if node is None or node.graph is not graph:
        return
    if any(each.uses() or each.is_graph_output() for each in node.outputs):
        return
    given = list(node.inputs)
    remove(graph, [node])
    for each in given:
        _drop_unread(graph, each)


def _join(graph: Any, node: Any) -> None:
    """Let the hidden states be (time, batch, features) where that is all that is read of them."""
    states = node.outputs[0]
    reader = _reader(states, graph)
    if reader is None:
        return
    is_both = "direction" in node.attributes and node.attributes["direction"].value == "bidirectional"
    taken = [reader]
    if is_both:
        order = ints_of(reader, "perm")
        last = _reader(reader.outputs[0], graph) if reader.op_type == "Transpose" else None
        if order != [0, 2, 1, 3] or last is None or not _is_side_by_side(last, states.shape):
            return
        taken.append(last)
    elif reader.op_type != "Squeeze" or _axes(reader) != [1]:
        return
    old = taken[-1].outputs[0]
    if old.is_graph_output():
        return
    states.name, states.shape = old.name, old.shape
    old.replace_all_uses_with(states)
    remove(graph, taken)
    node.meta["joined"] = True


def _is_side_by_side(node: Any, shape: Any) -> bool:
    """Return whether a reshape of (time, batch, 2, features) puts the directions' features side by side."""
    sizes = _ints(node.inputs[1]) if node.op_type == "Reshape" else None
    if sizes == [0, 0, -1]:
        return True
    if sizes is None or shape is None or len(shape) != 4 or not isinstance(shape[3], int):
        return False
    wanted = [shape[0], shape[2], 2 * shape[3]]
    known = [size == each for size, each in zip(sizes, wanted, strict=False) if size != -1]
    return len(sizes) == 3 and "allowzero" not in node.attributes and sizes.count(-1) < 2 and all(known)


def _reader(value: Any, graph: Any) -> Any:
    """Return the one node that reads a value."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].node.graph is not graph or uses[0].idx != 0:
        return None
    return uses[0].node if uses[0].node.domain in ("", "ai.onnx") else None


def _axes(node: Any) -> list[int] | None:
    if "axes" in node.attributes:
        return ints_of(node, "axes")
    return _ints(node.inputs[1]) if len(node.inputs) > 1 else None


def _ints(value: Any) -> list[int] | None:
    if value is None or value.const_value is None or value.const_value.size > 8:
        return None
    return [int(n) for n in np.asarray(value.const_value.numpy()).reshape(-1)]
