"""What a constant is, by the node that reads it in the end."""

from __future__ import annotations

from typing import Any

_NOUNS = {"Mul": "scale", "Add": "bias", "Div": "divisor", "Where": "mask"}
_MOVING = frozenset(("Reshape", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Identity", "Cast"))
_DEEP = 8


def role_of(value: Any) -> str | None:
    """Return what the one node calls a constant that reads it, or what is made of it by moves; or None."""
    for _ in range(_DEEP):
        uses = list(value.uses())
        if len(uses) != 1 or uses[0].node.domain not in ("", "ai.onnx"):
            return None
        node, place = uses[0].node, uses[0].idx
        if node.op_type not in _MOVING or place != 0:
            return _NOUNS.get(node.op_type)
        value = node.outputs[0]
    return None
