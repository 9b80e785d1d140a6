"""Weights of eight-bit floats in ONNX files that become source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

KINDS = {
    "e4m3fn": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
}


def written(path: Path, kind: str, cast: bool) -> Path:
    """Write a product with a weight of eight bits, which a Cast or a DequantizeLinear widens."""
    code, dtype = KINDS[kind]
    values = np.linspace(-2, 2, 12).astype(dtype)
    tensors = [TensorProto(name="q", data_type=code, dims=[3, 4], raw_data=values.tobytes())]
    if cast:
        widen = helper.make_node("Cast", ["q"], ["w"], to=TensorProto.FLOAT)
    else:
        widen = helper.make_node("DequantizeLinear", ["q", "scale"], ["w"])
        tensors.append(numpy_helper.from_array(np.array(0.5, np.float32), "scale"))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])]
    nodes = [widen, helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "product", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
    return path


@pytest.mark.field(
    case="ONNX weights of float8, cast or dequantised in the graph, as source",
    source="found here: 'this is a bug of triport' with a Cast, in PyTorch and in MindSpore",
    outcome="PyTorch's source, proven; MindSpore, which has no such type, is refused by the tensor's name",
)
@pytest.mark.parametrize("cast", [True, False], ids=["Cast", "DequantizeLinear"])
@pytest.mark.parametrize("kind", KINDS)
def test_float8_weights(run_cli: Any, tmp_path: Path, kind: str, cast: bool) -> None:
    path = written(tmp_path / "x.onnx", kind, cast)
    done = run_cli("convert", path, "--to", "pytorch", "-o", tmp_path / "torch")
    assert done.exit_code == 0, done.output
    assert f"torch.float8_{kind}" in (tmp_path / "torch" / "x.py").read_text()
    refused = run_cli("convert", path, "--to", "mindspore", "-o", tmp_path / "mindspore")
    assert refused.exit_code == 2
    assert "float8" in refused.output
    assert "bug of triport" not in refused.output
