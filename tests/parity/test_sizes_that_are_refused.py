"""A batch size that a Cell's code asks for, and with which MindSpore cannot export the Cell."""

import onnx
import pytest
from onnx import TensorProto, helper

from triport.converters.mindir.export import ExportError
from triport.parity.graphs.batch_proof import find_problem_by_tracing


@pytest.fixture
def model():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "cell",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def trace_of(model: onnx.ModelProto):
    def trace(size: int, is_free: bool) -> onnx.ModelProto:
        if size == 512:
            raise ExportError("Exceed function call depth limit 1000")
        return model

    return trace


def test_a_size_that_is_asked_for_and_cannot_be_exported_is_passed_over_and_told(model, tmp_path):
    found = find_problem_by_tracing(tmp_path / "x.onnx", model, [65], trace_of(model), [80, 512])
    assert found == (None, [512])


def test_a_size_that_every_cell_is_tried_at_must_be_exported(model, tmp_path):
    problem, refused = find_problem_by_tracing(tmp_path / "x.onnx", model, [512], trace_of(model))
    assert "Exceed function call depth limit" in problem
    assert refused == []
