"""What is said of an input on which the network is so far from itself that a fault would not be seen."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from triport.parity.imported import convert as proof
from triport.parity.imported.open_order import NOTE

FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture
def waves(tmp_path):
    """Return the path of sin(400 x), which roundings of x and of 400 move by 3e-4 where x is 30."""
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Mul", ["x", "rate"], ["phase"]),
            onnx.helper.make_node("Sin", ["phase"], ["y"]),
        ],
        "waves",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 40])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 40])],
        [onnx.numpy_helper.from_array(np.float32(400), "rate")],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "waves.onnx")
    return tmp_path / "waves.onnx"


def plant(monkeypatch, fault):
    """Let every source that is written return something else where three images are given."""

    def faulty(*arguments):
        source = writer(*arguments)
        before, _, returned = source.text.partition("        return ")
        expression, _, after = returned.partition("\n")
        text = f"{before}        return ({expression}) {fault}\n{after}"
        return replace(source, text=text)

    writer = proof.source_of
    monkeypatch.setattr(proof, "source_of", faulty)


def test_waves_without_a_fault_are_equal(waves, tmp_path, run_cli):
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 0, done.output


@pytest.fixture
def variance(tmp_path):
    """Return the path of mean(x^2) - mean(x)^2 of numbers near 60: float32 keeps three digits of it."""
    make = onnx.helper.make_node
    nodes = [
        make("Add", ["x", "offset"], ["far"]),
        make("Mul", ["far", "far"], ["squares"]),
        make("ReduceMean", ["squares"], ["of_squares"], axes=[1]),
        make("ReduceMean", ["far"], ["mean"], axes=[1]),
        make("Mul", ["mean", "mean"], ["of_mean"]),
        make("Sub", ["of_squares", "of_mean"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 3000])]
    outputs = [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 1])]
    offset = onnx.numpy_helper.from_array(np.full(3000, 60, np.float32), "offset")
    graph = onnx.helper.make_graph(nodes, "variance", inputs, outputs, [offset])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "variance.onnx")
    return tmp_path / "variance.onnx"


def test_where_float32_says_too_little_the_graph_in_float64_is_asked(variance, tmp_path, run_cli):
    done = run_cli("convert", variance, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 0, done.output
    assert "in float64 the graph is" in done.output


@pytest.mark.parametrize("size", [1e-8, 1e-6, 1e-4])
def test_a_fault_is_seen_in_float64_however_far_off_float32_is(
    size, variance, tmp_path, run_cli, monkeypatch
):
    plant(monkeypatch, f"* (1 + {size})")
    done = run_cli("convert", variance, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 1, done.output
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("size", [2e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3])
def test_a_fault_that_hides_in_a_wide_noise_is_never_called_equal(
    size, waves, tmp_path, run_cli, monkeypatch
):
    plant(monkeypatch, f"* (1 + {size} * (x.shape[0] == 3))")
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert done.exit_code == 1, done.output
    assert "NOT PROVEN" in done.output or "DIFFERENT" in done.output
    assert not (tmp_path / "net").exists()


def test_an_input_that_proves_nothing_is_not_called_different(waves, tmp_path, run_cli, monkeypatch):
    plant(monkeypatch, "* (1 + 5e-4 * (x.shape[0] == 3))")
    done = run_cli("convert", waves, "--to", "pytorch", "-o", tmp_path / "net")
    assert "x [2, 40]: equal" in done.output
    assert "x [3, 40]: NOT PROVEN" in done.output
    assert "it is not proven that the results are equal" in done.output
    assert "DIFFERENT" not in done.output


@pytest.mark.parametrize("largest", [0, 1])
def test_an_order_that_the_graph_leaves_open_is_not_compared(largest, tmp_path):
    node = onnx.helper.make_node("TopK", ["x", "k"], ["values", "places"], largest=largest, sorted=0)
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["n", 40])],
        [
            onnx.helper.make_tensor_value_info("values", FLOAT, None),
            onnx.helper.make_tensor_value_info("places", onnx.TensorProto.INT64, None),
        ],
        [onnx.numpy_helper.from_array(np.array([7]), "k")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "top.onnx")
    done = proof.convert_to_source(tmp_path / "top.onnx", tmp_path / "out", "pytorch")
    assert done.passed
    assert done.notes == (NOTE,)


def test_where_two_implementations_of_onnx_disagree_it_is_said(tmp_path):
    """The text of align_corners has the whole length, onnx's reference the length before it is cut."""
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    node = onnx.helper.make_node("Resize", ["x", "", "scales"], ["y"], "enlarge", **how)
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 5, 5])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array([1, 1, 1.7, 1.5], "f4"), "scales")],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    path = tmp_path / "resize.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    done = proof.convert_to_source(path, tmp_path / "resize", "pytorch")
    assert {trial.judged_by for trial in done.trials} == {"reference"}
    assert "begins at node 'enlarge' (Resize)" in done.notes[0]
    assert "equal to another implementation of ONNX, not to ONNX Runtime" in "\n".join(done.lines())
