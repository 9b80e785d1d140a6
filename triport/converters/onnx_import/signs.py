"""Whole numbers that are never negative, by what makes them: places, counts, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

_DEEP = 12
_SMALL = 1 << 20  # elements of a constant that is looked at
# what only moves its first input
_MOVING = frozenset(("Identity", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Expand", "Tile", "Slice"))
_MOVING |= {"Gather", "Flatten", "Split"}
# of each operator, the outputs that are places
_PLACES = {"ArgMax": (0,), "ArgMin": (0,), "TopK": (1,), "NonZero": (0,), "Shape": (0,), "Size": (0,)}
# what a cast to int64 leaves as it is
_KEPT = ("BOOL", "UINT8", "UINT16", "UINT32", "INT32", "INT64")
_OF_ALL = frozenset(("Concat", "Min"))


def is_never_negative(value: Any, depth: int = _DEEP) -> bool:
    """Return whether that follows from the graph alone; int64 is taken to be wide enough for counts."""
    if value is None or value.dtype is None or not depth:
        return False
    if value.dtype.name.startswith(("UINT", "BOOL")):
        return True
    if value.const_value is not None:
        if value.const_value.size > _SMALL or value.dtype.bitwidth < 8:
            return False
        array = np.asarray(value.const_value.numpy())
        return array.dtype.kind in "iub" and not (array < 0).any()
    node = value.producer()
    if node is None or node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type in _PLACES:
        return value.index() in _PLACES[node.op_type]
    if node.op_type in _MOVING:
        return is_never_negative(node.inputs[0], depth - 1)
    if node.op_type in _OF_ALL:
        return all(is_never_negative(each, depth - 1) for each in node.inputs)
    if node.op_type == "Cast":  # a wide unsigned number may become a negative one
        kept = node.inputs[0].dtype is not None and node.inputs[0].dtype.name in _KEPT
        return kept and value.dtype.name == "INT64" and is_never_negative(node.inputs[0], depth - 1)
    return False
