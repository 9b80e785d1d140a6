"""Where NaN does not come through in a framework, which random inputs do not show."""

from __future__ import annotations

from typing import Any

from triport.converters.onnx_import.targets import Target

# `python benchmarks/special_numbers.py` finds them
LOST: dict[Target, frozenset[str]] = {
    "pytorch": frozenset(),
    "mindspore": frozenset(("Celu", "Clip", "Elu", "HardSigmoid", "Max", "Min", "Relu", "Selu")),
}


def notes_on_nan(model: Any, target: Target) -> list[str]:
    """Return what becomes of NaN in the source of an onnx_ir.Model, where that is not what the graph says."""
    import onnx_ir as ir

    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    lost = LOST[target] & {node.op_type for node in nodes}
    if not lost:
        return []
    return [
        f"NaN does not come through {', '.join(sorted(lost))} on MindSpore's CPU: it makes a number of it, "
        "where ONNX Runtime's result is NaN"
    ]
