"""ONNX Runtime beside float64 node by node: each node is given float64's values, so that no noise grows.

Where a network makes 1e-3 of one rounding, ONNX Runtime at its end is as far from float64 as that, and says
nothing of the graph. Of each node alone, given the same numbers of float32, it says all: whether the two mean
the same by it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.onnx_import.subgraphs import graphs_in
from triport.parity.judge.difference import difference
from triport.reference_models.scratch import scratch_folder

from .judge import UnoptimisedRuntime
from .references import values_in_double

_GIVEN = ".given"


def furthest_node(path: Path, feed: dict[str, np.ndarray]) -> float | None:
    """Return how far ONNX Runtime is from float64 at the node at which it is the furthest off.

    It is relative to the largest value of what the node makes. Both are given the same numbers of float32,
    those nearest to what the graph has in float64.

    Args:
        path: of the graph.
        feed: the inputs.

    Returns:
        the distance; None where the graph has no node that could be compared, or does not run so.
    """
    import onnx

    model = onnx.load(path)
    names = _computed(model)
    values = values_in_double(path)(feed, names) if names else None
    if values is None:
        return None
    given = {name + _GIVEN: array.astype(np.float32) for name, array in zip(names, values, strict=True)}
    _cut(model.graph, names)
    cut = scratch_folder() / "cut.onnx"
    try:
        onnx.save(model, cut)
        runtime = UnoptimisedRuntime.of(cut)
        found = dict(zip(runtime.outputs, runtime.run({**feed, **given}), strict=True))
    except Exception:  # too large for a file, say
        return None
    true = values_in_double(cut)({**feed, **given}, names)
    if true is None or any(found[n].shape != array.shape for n, array in zip(names, true, strict=True)):
        return None
    return max(difference(found[name], array) for name, array in zip(names, true, strict=True))


def _computed(model: Any) -> list[str]:
    """Return the names of what the graph's own nodes make in float32."""
    import onnx

    typed = onnx.shape_inference.infer_shapes(model).graph
    float32 = {
        value.name
        for value in (*typed.value_info, *typed.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return [name for node in model.graph.node for name in node.output if name in float32]


def _cut(graph: Any, names: list[str]) -> None:
    """Let whoever reads one of these values read an input, and make all of them outputs, in place."""
    import onnx

    wanted = set(names)
    for each in graphs_in(graph):
        for node in each.node:
            for place, name in enumerate(node.input):
                if name in wanted:
                    node.input[place] = name + _GIVEN
    outputs = {value.name for value in graph.output}
    for name in names:
        for values, called in ((graph.input, name + _GIVEN), (graph.output, name)):
            if called not in outputs:
                values.append(onnx.helper.make_tensor_value_info(called, onnx.TensorProto.FLOAT, None))
