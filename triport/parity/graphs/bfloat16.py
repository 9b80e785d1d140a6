"""Running bfloat16 graphs from NumPy, which has no such type, and where ONNX Runtime has no kernels."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

BFLOAT16, FLOAT = onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT


def is_bfloat16(model: onnx.ModelProto) -> bool:
    """Return whether an input, an output or a parameter is bfloat16."""
    values = (*model.graph.input, *model.graph.output)
    return any(value.type.tensor_type.elem_type == BFLOAT16 for value in values) or any(
        tensor.data_type == BFLOAT16 for tensor in model.graph.initializer
    )


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with float32 inputs and outputs, cast to and from its bfloat16 ones."""
    import onnx_ir as ir

    wide = ir.from_proto(model)
    graph = wide.graph
    first, narrow = next(iter(graph)), ir.DataType.BFLOAT16
    for value in graph.outputs:
        if value.dtype == narrow:
            given = _named_instead_outside(graph, value)
            graph.append(ir.node("Cast", [value], {"to": FLOAT}, outputs=[given]))
    for value in graph.inputs:
        if value.dtype == narrow:
            inner = ir.Value(name=f"{value.name}/bfloat16", type=value.type, shape=value.shape)
            value.replace_all_uses_with(inner)
            value.type = ir.TensorType(ir.DataType.FLOAT)  # the other one has the old type object
            graph.insert_before(first, ir.node("Cast", [value], {"to": BFLOAT16}, outputs=[inner]))
    return ir.to_proto(wide)


def _named_instead_outside(graph: ir.Graph, value: ir.Value) -> ir.Value:
    """Return a float32 output under the name of a bfloat16 one, which the graph goes on to read."""
    import onnx_ir as ir

    given = ir.Value(name=value.name, type=ir.TensorType(ir.DataType.FLOAT), shape=value.shape)
    graph.outputs[graph.outputs.index(value)] = given
    value.name = f"{value.name}/bfloat16"
    return given


@contextlib.contextmanager
def widened(path: Path, model: onnx.ModelProto) -> Iterator[Path]:
    """Give the path of the widened graph, beside the file, whose external data it reads."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".onnx")
    os.close(handle)
    try:
        onnx.save(widen(model), name)
        yield Path(name)
    finally:
        Path(name).unlink()


def run_reference(path: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a file in ONNX's own reference implementation, which knows every type, slowly."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load(path))
    return list(evaluator.run(None, dict(zip(evaluator.input_names, inputs, strict=True))))
