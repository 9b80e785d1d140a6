"""A graph as onnx can infer its shapes: what onnx has no inference for, in the place of which something is.

GroupNormalization of opset 21 is a function whose body depends on its inputs; onnx gives its output no type,
and says of all that reads it that an input has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# what gives its first input's shape and dtype, and has no inference of its own
_LIKE_FIRST = frozenset(("GroupNormalization",))


def make_inferable(graph: onnx.GraphProto) -> None:
    """Put what has the same output types in the place of nodes that onnx does not infer.

    Args:
        graph: a copy that only shapes are read of; the order and number of its nodes stay.
    """
    for node in graph.node:
        if node.op_type in _LIKE_FIRST and node.domain in ("", "ai.onnx"):
            node.op_type = "Identity"
            del node.input[1:]
            del node.attribute[:]
