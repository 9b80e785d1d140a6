"""Graphs that end the process of ONNX Runtime, and graphs of random numbers: refused, with the reason."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from triport.parity.imported.convert import convert_to_source
from triport.parity.onnx_graphs import crashes
from triport.parity.onnx_graphs.crashes import OnnxCrashError
from triport.parity.runtimes.onnx import OnnxRunner
from triport.reference_models.network import Input, Network

ROOT = Path(__file__).parents[2]
NETWORK = Network("x", (Input("x", ("N", 3, 8), "float32"),), ("y",), {}, {"N": 2})


def saved(node, folder, **constants):
    """Write a graph of one node as a file and return its path."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "graph",
        [value("x", onnx.TensorProto.FLOAT, ["N", 3, 8])],
        [value("y", onnx.TensorProto.FLOAT, ["N", 3, 8])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "graph.onnx")
    return folder / "graph.onnx"


def attention(folder, *inputs):
    random = np.random.default_rng(0)
    node = onnx.helper.make_node("Attention", ["x", *inputs], ["y"], domain="com.microsoft", num_heads=2)
    weights = {"w": random.standard_normal((8, 24)).astype("f"), "b": random.standard_normal(24).astype("f")}
    return saved(node, folder, **{name: weights[name] for name in inputs if name})


def test_attention_without_a_bias_does_not_end_the_command(tmp_path):
    """ONNX Runtime 1.31 runs into a segmentation fault, and the command did with it."""
    path = attention(tmp_path, "w")
    command = [sys.executable, ROOT / "cli.py", "convert", path, "--to", "pytorch", "-o", tmp_path / "net"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stderr
    assert done.returncode == 0 or "ONNX Runtime crashes on it" in done.stderr


def test_what_crashed_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(crashes, "_RUN", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(OnnxCrashError, match=r"Segmentation fault.*com\.microsoft\.Attention"):
        convert_to_source(attention(tmp_path, "w", "b"), tmp_path / "net", "pytorch")
    assert not (tmp_path / "net").exists()


def test_a_crash_on_an_input_is_met_too(tmp_path, monkeypatch):
    monkeypatch.setattr(crashes, "_RUN", "print('done', flush=True); input(); import os; os.abort()")
    with pytest.raises(OnnxCrashError, match="Aborted"):
        convert_to_source(attention(tmp_path, "w", "b"), tmp_path / "net", "pytorch")


@pytest.mark.parametrize("command", ["parity", "publish"])
def test_a_crash_does_not_end_other_commands(command, tmp_path, run_cli, monkeypatch):
    monkeypatch.setattr(crashes, "_RUN", "print('done', flush=True); input(); import os; os.abort()")
    path, output = attention(tmp_path, "w", "b"), tmp_path / "published"
    others = ["--net", path, "--license", "mit", "-o", output] if command == "publish" else []
    done = run_cli(command, path, "--input", "2x3x8", *others)
    assert done.exit_code == 2
    assert "ONNX Runtime crashes on it (Aborted)" in done.stderr and "com.microsoft.Attention" in done.stderr
    assert not output.exists()


def test_other_commands_run_what_does_not_crash_once_for_each_shape(tmp_path, monkeypatch):
    checked = []
    check = crashes.Forerunner.check
    monkeypatch.setattr(crashes.Forerunner, "check", lambda self, feed: checked.append(check(self, feed)))
    runner = OnnxRunner(attention(tmp_path, "w", "b"), NETWORK)
    for rows in (2, 2, 3):
        runner.run({"x": np.zeros((rows, 3, 8), np.float32)})
    assert len(checked) == 2


def test_attention_with_a_bias_is_written(tmp_path):
    assert convert_to_source(attention(tmp_path, "w", "b"), tmp_path / "net", "pytorch").passed


def test_operators_of_the_standard_are_run_once(tmp_path, monkeypatch):
    monkeypatch.setattr(crashes.subprocess, "Popen", None)
    path = saved(onnx.helper.make_node("Relu", ["x"], ["y"]), tmp_path)
    assert OnnxRunner(path, NETWORK).run({"x": -np.ones((1, 3, 8), np.float32)})["y"].max() == 0
    assert convert_to_source(path, tmp_path / "net", "pytorch").passed


@pytest.mark.parametrize("target", ["pytorch", "mindspore"])
@pytest.mark.parametrize("operator", ["RandomNormalLike", "RandomUniformLike", "Bernoulli"])
def test_random_numbers_are_refused_by_the_name_of_their_node(operator, target, tmp_path, run_cli):
    path = saved(onnx.helper.make_node(operator, ["x"], ["y"], "noise"), tmp_path)
    done = run_cli("convert", path, "--to", target, "-o", tmp_path / "net")
    assert done.exit_code == 2
    assert f"node 'noise' ({operator}" in done.output and "draws random numbers" in done.output
