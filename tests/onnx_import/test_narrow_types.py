"""Graphs that compute in a narrow type between inputs and outputs of float32."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.reading import model_of
from triport.parity.imported.convert import convert_to_source
from triport.parity.imported.exact import InDouble
from triport.parity.judge.tolerance import FLOAT16, FLOAT32

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
make = onnx.helper.make_node


def model(nodes):
    weight = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float16)
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["n", 16])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["n", 16])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


COMPUTED = model(
    [
        make("Cast", ["x"], ["a"], to=HALF),
        make("MatMul", ["a", "w"], ["b"]),
        make("Relu", ["b"], ["c"]),
        make("MatMul", ["c", "w"], ["d"]),
        make("Cast", ["d"], ["y"], to=FLOAT),
    ]
)
STORED = model([make("Cast", ["w"], ["wide"], to=FLOAT), make("MatMul", ["x", "wide"], ["y"])])


def test_float16_within_is_judged_as_float16(tmp_path):
    path = tmp_path / "half.onnx"
    onnx.save(COMPUTED, path)
    assert convert_to_source(path, tmp_path / "out", "pytorch").passed


@pytest.mark.parametrize(("proto", "arithmetic"), [(COMPUTED, FLOAT16), (STORED, FLOAT32)])
def test_what_a_graph_computes_in_is_what_its_nodes_make(proto, arithmetic):
    assert InDouble(model_of(proto, Path("model.onnx")), written(proto)).arithmetic == arithmetic
