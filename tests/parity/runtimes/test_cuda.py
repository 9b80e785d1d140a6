"""What needs a GPU: verdicts there, TF32, where tensors lie. Skipped where PyTorch finds no CUDA."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tests.onnx_import.test_devices import CASES
from triport.cli import main

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device")

NETS = """
import torch
from torch import nn

def images():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.SiLU(), nn.Conv2d(16, 32, 3, stride=2), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 32)
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.recurrent = nn.LSTM(32, 16, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, 5)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[1], device=tokens.device) / tokens.shape[1]
        x = self.embedding(tokens) + places[None, :, None]
        x, _ = self.recurrent(self.encoder(x))
        return self.head(x).mean(1)

def tokens():
    return Tokens()
"""
INPUTS = {"images": "2x3x32x32", "tokens": "tokens=2x9:int64:0..49"}


def parity(*words):
    result = CliRunner().invoke(main, ["parity", *words, "--device", "cuda", "--json", "-"])
    assert result.exit_code in (0, 1), result.stderr
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def nets(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return path


@pytest.mark.parametrize("name", INPUTS)
def test_a_module_on_the_gpu_is_equal_in_all_its_modules(name, nets):
    code, found = parity(f"{nets}:{name}", "--input", INPUTS[name], "--runtimes", "pytorch", "--layers")
    (pair,) = found["models"][0]["pairs"]
    assert code == 0 and pair["device"] == "cuda:0" and pair["layers"]["passed"]
    # the GPU was asked: not every sum is the CPU's
    assert pair["needed_tolerance"] > 0 and pair["versions"]["tf32"] == "off"


def test_tf32_rounds_and_is_judged_by_its_own_noise(nets):
    words = (f"{nets}:images", "--input", "2x3x64x64", "--runtimes", "pytorch")
    (_, full), (code, rounded) = parity(*words), parity(*words, "--precision", "tf32")
    full, rounded = full["models"][0]["pairs"][0], rounded["models"][0]["pairs"][0]
    assert rounded["versions"]["tf32"] == "on" and code == 0
    assert rounded["needed_tolerance"] > 20 * full["needed_tolerance"]
    assert rounded["tolerance"] > 20 * full["tolerance"]


@pytest.mark.parametrize("fault", ["BatchNorm: eps 1e-5 and 1e-3", "conv: one output channel off by 1 %"])
def test_a_wrong_layer_is_found_on_the_gpu_and_named(fault):
    from benchmarks import mutations

    found = mutations.subject("res2net_digits", "cuda").judge(fault)
    assert found.by_layers and found.named_right


def test_a_gpu_that_is_not_there():
    result = CliRunner().invoke(main, ["parity", "res2net_digits", "--device", "cuda:99"])
    assert result.exit_code == 2 and "there is no cuda:99" in result.stderr


@pytest.mark.parametrize("case", CASES)
def test_an_imported_network_runs_on_the_gpu(case, tmp_path):
    from tests.onnx_import.source_runs import written
    from tests.onnx_import.test_hostile import model
    from triport.converters.onnx_import.written import load, write

    nodes, weights = CASES[case]
    write(tmp_path, written(model(nodes, weights, shape=("N", 2))))
    network = load(tmp_path, "written", "pytorch")
    x = torch.from_numpy(np.arange(6, dtype=np.float32).reshape(3, 2))
    there = network.to("cuda")(x.to("cuda"))
    assert there.device.type == "cuda"
    assert torch.equal(there.cpu(), network.to("cpu")(x))
