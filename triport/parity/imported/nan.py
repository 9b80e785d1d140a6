"""Where NaN does not come through in a framework, which random inputs do not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from triport.converters.onnx_import.targets import Target

from .probes import shortened

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


def notes_on_outputs_without_numbers(names: Sequence[str], runs: Sequence[Sequence[np.ndarray]]) -> list[str]:
    """Return which outputs never had a finite number, so that nothing was compared there.

    Args:
        names: of the outputs.
        runs: the outputs of each run.
    """
    empty = [name for place, name in enumerate(names) if not any(_says_something(run[place]) for run in runs)]
    return [
        f"output '{shortened(name)}' is NaN or infinite throughout on all inputs that were tried, so that a "
        "fault before it may not have been seen"
        for name in empty
    ]


def _says_something(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or not array.size or bool(np.isfinite(array).any())
