"""How the framework is loaded in which written source is proven, and what is said where it is not there."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).parents[2]
FLOAT = onnx.TensorProto.FLOAT
SET_BEFORE = ("ONEDNN_MAX_CPU_ISA", "GLOG_v")

PROVEN = """
import sys
from pathlib import Path
from triport.converters import environment
from triport.parity.imported.convert import imported
assert imported(Path(sys.argv[1]), "mindspore", "net")[1].is_equal
import mindspore
print([environment.recorded(), mindspore.get_context("pynative_synchronize")])
"""


@pytest.fixture
def relu(tmp_path):
    """Return the path of one Relu."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [onnx.helper.make_tensor_value_info("x", FLOAT, ["N", 3])],
        [onnx.helper.make_tensor_value_info("y", FLOAT, ["N", 3])],
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(proto, tmp_path / "relu.onnx")
    return tmp_path / "relu.onnx"


def test_mindspore_has_its_quick_kernels_where_source_is_proven(relu):
    environment = {name: value for name, value in os.environ.items() if name not in SET_BEFORE}
    done = subprocess.run(
        [sys.executable, "-c", PROVEN, str(relu)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=True,
    )
    recorded, at_once = ast.literal_eval(done.stdout)
    assert recorded["ONEDNN_MAX_CPU_ISA"] == "AVX2 (set by triport)"
    assert recorded["GLOG_v"] == "3 (set by triport)"
    assert at_once


@pytest.mark.parametrize("module", ["torch", "mindspore"])
def test_a_framework_that_is_not_installed_is_said(module, relu, tmp_path, run_cli, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    target = "pytorch" if module == "torch" else module
    done = run_cli("convert", relu, "--to", target, "-o", tmp_path / "net")
    assert done.exit_code == 2, done.output
    assert f"triport[{target}]" in done.output and not (tmp_path / "net").exists()
