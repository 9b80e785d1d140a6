"""The sources in examples/imported/ are what is written today, and run."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import triport

FOLDER = Path(__file__).parents[2] / "examples" / "imported"


def built(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build(weights=False)


@pytest.mark.parametrize(
    ("name", "shape"), [("res2net_digits", (2, 3, 32, 32)), ("channels_last", (2, 33, 33, 3))]
)
def test_they_run_in_pytorch(name, shape):
    torch = pytest.importorskip("torch")
    network = built(name)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(1)
        assert network(torch.ones(shape)).shape == (2, 10)


def test_they_run_in_mindspore():
    mindspore = pytest.importorskip("mindspore")
    network = built("attention")
    assert network(mindspore.Tensor(np.ones((2, 16, 32), np.float32))).shape == (2, 10)


def test_they_are_what_is_written_today(tmp_path):
    triport.convert(output=tmp_path / "res2net_digits.onnx", to="onnx")
    written = triport.from_onnx(tmp_path / "res2net_digits.onnx", check=False).source("pytorch")
    assert (FOLDER / "res2net_digits.py").read_text(encoding="utf-8") == written
