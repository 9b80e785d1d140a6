"""Windows as ONNX's text has them: SAME padding along free axes, norms of windows that reach beyond."""

import numpy as np
import onnx
import pytest

from tests.onnx_import.source_runs import written
from triport.converters.onnx_import.operators import TARGETS
from triport.converters.onnx_import.written import load, write
from triport.parity.imported.judge import UnoptimisedRuntime
from triport.parity.imported.runs import run

FLOAT = onnx.TensorProto.FLOAT
WEIGHT = np.random.default_rng(0).standard_normal((6, 2, 3, 4)).astype("f4")
CASES = {
    "Conv": {"group": 2},
    "MaxPool": {"kernel_shape": [3, 4]},
    "AveragePool": {"kernel_shape": [3, 4]},
    "LpPool": {"kernel_shape": [3, 4]},
}


@pytest.mark.parametrize("padding", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("op_type", CASES)
def test_same_padding_follows_the_image(op_type, target, padding, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    inputs = ["x", "w"] if op_type == "Conv" else ["x"]
    node = onnx.helper.make_node(op_type, inputs, ["y"], auto_pad=padding, strides=[2, 3], **CASES[op_type])
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["n", 4, "h", "w"])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(WEIGHT, "w")][: len(inputs) - 1],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    runtime = UnoptimisedRuntime.of(proto.SerializeToString())
    write(tmp_path, written(proto, target))
    network = load(tmp_path, "written", target)
    differences = []
    for size in ((9, 8), (10, 7), (11, 13)):
        x = np.random.default_rng(1).standard_normal((2, 4, *size)).astype("f4")
        (wanted,), (found,) = runtime.run({"x": x}), run(network, target, [x])
        assert found.shape == wanted.shape
        differences.append(abs(found - wanted).max())
    assert max(differences) < 1e-5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1]])
def test_a_norm_of_a_window_over_the_edge_is_of_what_is_inside(target, pads, tmp_path):
    if target == "mindspore":
        pytest.importorskip("mindspore")
    given = {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1, "p": 1, "pads": pads}
    node = onnx.helper.make_node("LpPool", ["x"], ["y"], **given)
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, [1, 1, 6, 6])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    write(tmp_path, written(proto, target))
    x = np.ones((1, 1, 6, 6), "f4")
    (wanted,) = UnoptimisedRuntime.of(proto.SerializeToString()).run({"x": x})
    (found,) = run(load(tmp_path, "written", target), target, [x])
    assert wanted.min() < wanted.max()  # a whole window, and one that is not
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
