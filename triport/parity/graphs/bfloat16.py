"""Running bfloat16 graphs from NumPy, which has no such type, and where ONNX Runtime has no kernels."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx import helper

if TYPE_CHECKING:
    import numpy as np

BFLOAT16, FLOAT = onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT


def is_bfloat16(model: onnx.ModelProto) -> bool:
    """Return whether an input, an output or a parameter is bfloat16."""
    values = (*model.graph.input, *model.graph.output)
    return any(value.type.tensor_type.elem_type == BFLOAT16 for value in values) or any(
        tensor.data_type == BFLOAT16 for tensor in model.graph.initializer
    )


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with float32 inputs and outputs, cast to and from its bfloat16 ones."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    renamed = {
        value.name: f"{value.name}/bfloat16"
        for value in (*graph.input, *graph.output)
        if value.type.tensor_type.elem_type == BFLOAT16
    }
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    nodes = list(graph.node)
    for value in graph.input:
        if value.name in renamed:
            nodes.insert(0, helper.make_node("Cast", [value.name], [renamed[value.name]], to=BFLOAT16))
    for value in graph.output:
        if value.name in renamed:
            nodes.append(helper.make_node("Cast", [renamed[value.name]], [value.name], to=FLOAT))
    for value in (*graph.input, *graph.output):
        if value.name in renamed:
            value.type.tensor_type.elem_type = FLOAT
    del graph.node[:]
    graph.node.extend(nodes)
    return wide


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
