"""What onnx's reference implementation makes of constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_MOST_BYTES = 4096  # of what is kept, as sizes and places are


class Reference:
    """onnx's reference implementation, which computes the same node of the same small arrays once.

    A graph that repeats a block repeats how its sizes are computed.
    """

    def __init__(self) -> None:
        """Begin without results."""
        self._made: dict[Any, list[np.ndarray] | None] = {}

    def __call__(
        self, node: Any, opset: int, given: Sequence[np.ndarray | None], outputs: int
    ) -> list[np.ndarray] | None:
        """Return what a node makes, None where that fails.

        Args:
            node: a NodeProto of its own, which is changed.
            opset: of the standard domain.
            given: of each input its value, None where it is left out.
            outputs: how many there are.
        """
        for field in ("name", "doc_string", "input", "output", "metadata_props"):
            node.ClearField(field)
        node.input.extend("" if array is None else f"i{place}" for place, array in enumerate(given))
        node.output.extend(f"o{place}" for place in range(outputs))
        arrays = {f"i{place}": array for place, array in enumerate(given) if array is not None}
        if sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
            return _computed(node, opset, arrays)
        held = [(name, array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()]
        key = node.SerializeToString(deterministic=True), opset, *held
        if key not in self._made:
            self._made[key] = _computed(node, opset, arrays)
        return self._made[key]


def _computed(node: Any, opset: int, arrays: dict[str, np.ndarray]) -> list[np.ndarray] | None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    function = onnx.FunctionProto(
        name="computed",
        domain="triport",
        input=list(arrays),
        output=node.output,
        node=[node],
        opset_import=[onnx.helper.make_opsetid("", opset)],
    )
    try:
        with np.errstate(all="ignore"):
            found: Any = ReferenceEvaluator(function).run(None, arrays, {})
    except Exception:
        return None
    return [np.asarray(each) for each in found]
