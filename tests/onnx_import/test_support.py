"""`operators FILE.onnx`: every node that would be refused, and why, before anything is converted."""

import json

import numpy as np
import onnx
import pytest

from triport.converters.onnx_import import support

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture
def graph(tmp_path):
    """Return a file with two nodes that neither framework has, and nodes behind them."""
    make = onnx.helper.make_node
    nodes = [
        make("Relu", ["x"], ["a"]),
        make("Strange", ["a"], ["b"], name="first", domain="somewhere"),
        make("Relu", ["b"], ["c"]),
        make("LSTM", ["c", "w", "r"], ["d"], name="lstm", hidden_size=2, activations=["Odd", "Tanh", "Tanh"]),
        make("Einsum", ["x"], ["y"], name="sum", equation="abc->c"),
    ]
    tensors = {"w": np.ones((1, 8, 3), "f4"), "r": np.ones((1, 8, 2), "f4")}
    made = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 2, 3])],
        [onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in ("d", "y")],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("somewhere", 1)]
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(made, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("to", "lacking"),
    [("pytorch", {"LSTM", "somewhere.Strange"}), ("mindspore", {"LSTM", "somewhere.Strange"})],
)
def test_all_that_lacks_is_named_with_its_place(graph, to, lacking, run_cli):
    done = run_cli("operators", graph, "--to", to, "--json", "-")
    assert done.exit_code == 1
    rows = {row["name"]: row for row in json.loads(done.output)["operators"]}
    assert {name for name, row in rows.items() if not row["supported"]} == lacking
    assert rows["Relu"]["count"] == 2
    assert rows["LSTM"]["lacks"][0]["places"] == ["lstm"]
    assert "activations" in rows["LSTM"]["lacks"][0]["reason"]


def test_a_graph_that_lacks_nothing(tmp_path, run_cli):
    import triport

    triport.convert(output=tmp_path / "digits.onnx", to="onnx")
    done = run_cli("operators", tmp_path / "digits.onnx", "--to", "mindspore")
    assert done.exit_code == 0, done.output
    assert "mindspore has all" in done.output


def test_operators_are_listed_by_framework():
    names = {target: {one.name for one in support.list_operators(target)} for target in support.TARGETS}
    assert {"Conv", "LSTM", "Unique"} <= names["pytorch"]
    assert {"Conv", "LSTM"} <= names["mindspore"] and "Unique" not in names["mindspore"]
