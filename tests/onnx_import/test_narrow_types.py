"""Graphs that compute in a narrow type between inputs and outputs of float32."""

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.reading import model_of
from triport.converters.onnx_import.written import write
from triport.parity.imported.convert import convert_to_source, proven
from triport.parity.imported.exact import InDouble
from triport.parity.judge.tolerance import FLOAT16, FLOAT32
from triport.parity.onnx_graphs.crashes import Forerunner

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
    done = convert_to_source(path, tmp_path / "out", "pytorch")
    assert done.passed
    assert any("within 3.9e-03 of their largest value count as equal" in note for note in done.notes)


def test_a_fault_in_what_float16_computes_is_found(tmp_path):
    """Weights that are 2 % off are more than float16 rounds, and the source is not proven."""
    other = onnx.ModelProto()
    other.CopyFrom(COMPUTED)
    weight = onnx.numpy_helper.to_array(other.graph.initializer[0]) * np.float16(1.02)
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w"))
    path = tmp_path / "other.onnx"
    onnx.save(other, path)
    source = written(COMPUTED)
    write(tmp_path, source)
    trials, *_ = proven(path, model_of(COMPUTED, path), source, tmp_path, "pytorch", Forerunner.of_file(path))
    assert not any(each.passed for each in trials)


def test_what_is_stored_alone_hides_nothing(tmp_path):
    path = tmp_path / "stored.onnx"
    onnx.save(STORED, path)
    done = convert_to_source(path, tmp_path / "out", "pytorch")
    assert done.passed
    assert done.notes == ()


@pytest.mark.parametrize(("proto", "arithmetic"), [(COMPUTED, FLOAT16), (STORED, FLOAT32)])
def test_what_a_graph_computes_in_is_what_its_nodes_make(proto, arithmetic):
    assert InDouble(model_of(proto, Path("model.onnx")), written(proto)).arithmetic == arithmetic


HALVES = {
    "convolution": "y = Conv <pads = [1, 1, 1, 1]> (x, w, b)",
    "transposed convolution": "y = ConvTranspose <strides = [2, 2]> (x, w, b)",
    "resizing": 'y = Resize <mode = "linear"> (x, , twice)',
    "einsum": 'y = Einsum <equation = "nchw,nchv->nwv"> (x, x)',
}


@pytest.mark.parametrize("case", HALVES)
def test_what_mindspore_has_not_in_float16_is_computed_in_float32(case, tmp_path):
    """A file of halves is no file of bfloat16: MindSpore has most of its kernels, and these it has not."""
    pytest.importorskip("mindspore")
    random = np.random.default_rng(0)
    weights = {"w": random.standard_normal((3, 3, 3, 3)), "b": random.standard_normal(3)}
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
    net (float16[n, 3, 8, 6] x) => (float16 y) {{ {HALVES[case]} }}"""
    proto = onnx.parser.parse_model(text)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    tensors = {name: array.astype(np.float16) for name, array in weights.items()}
    tensors["twice"] = np.array([1, 1, 2, 2], np.float32)
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in tensors.items() if name in read
    )
    onnx.save(proto, tmp_path / "net.onnx")
    done = convert_to_source(tmp_path / "net.onnx", tmp_path / "net", "mindspore")
    assert done.passed, done.lines()
    assert "mindspore.float16" in (tmp_path / "net" / "net.py").read_text()
