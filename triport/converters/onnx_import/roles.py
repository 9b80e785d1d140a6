"""What a constant is, by the node that reads it in the end."""

from __future__ import annotations

import re
from typing import Any

from .expressions import is_identifier

_COUNTED = re.compile(r"_\d+\Z")
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


def unnamed(model: Any) -> dict[str, str | None]:
    """Return the tensors that one node reads and no author named, each with its part in that node.

    Every other name that is valid is the state dict's too. torch.export numbers what it computes itself:
    `view`, `view_1`.
    """
    named = model.graph.initializers
    counted = {key.rpartition("_")[0] for key in named if _COUNTED.search(key)}
    by_torch = model.producer_name == "pytorch"
    return {
        key: role_of(value)
        for key, value in named.items()
        if "." not in key
        and len(value.uses()) == 1
        and (not is_identifier(key) or (by_torch and (key in counted or _COUNTED.search(key))))
    }
