"""The benchmark of MindSpore's kernels: its Cells are sources, its faults change what they say, it counts."""

import ast

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from benchmarks.kernel_alarms import FAULT, planted, summary
from benchmarks.kernel_alarms_cells import CELLS


@pytest.mark.parametrize("small", CELLS, ids=lambda small: small.name)
def test_every_cell_is_source(small):
    assert [node.name for node in ast.parse(small.source()).body if isinstance(node, ast.ClassDef)] == [
        "Small"
    ]


def test_names_are_unique():
    assert len({small.name for small in CELLS}) == len(CELLS)


def test_what_is_planted_changes_the_output_and_the_last_matrix():
    import onnxruntime

    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in ("x", "y")]
    matrix = numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")
    nodes = [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
    graph = helper.make_graph(nodes, "small", values[:1], values[1:], [matrix])
    model = helper.make_model_gen_version(graph, opset_imports=[helper.make_opsetid("", 17)])
    copies = planted(model)
    assert set(copies) == {"output", "last matrix"}
    x = np.full((2, 3), 2, np.float32)
    for copy in (model, *copies.values()):
        session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
        factor = 1 if copy is model else 1 + FAULT
        np.testing.assert_allclose(session.run(None, {"x": x})[0], x * factor, rtol=1e-6)


def test_alarms_and_missed_faults_are_counted():
    right = {"key": ["a", "0"], "seed": 0, "verdict": "equal", "error": 0.0, "tolerance": 1e-6, "note": ""}
    alarm = {**right, "key": ["b", "0"], "verdict": "not equal"}
    missed = {**right, "faults": {"output": "equal", "last matrix": "not equal"}}
    told = summary([right, alarm, missed])
    assert "3 Cells with seeded weights: 2 equal, 0 of them but for" in told
    assert "2 faults of 0.0001: 1 found" in told and "not equal" in told.splitlines()[1]
