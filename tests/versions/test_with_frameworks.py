"""The jobs that need the frameworks, on small networks: they work with whichever versions are installed."""

import json
import shutil
import textwrap

import pytest

import triport

torch = pytest.importorskip("torch")


def test_every_runtime_is_equal_to_float64(run_cli):
    done = run_cli("parity", "res2net_digits", "--json", "-")
    assert done.exit_code == 0, done.output
    (model,) = json.loads(done.stdout)["models"]
    assert model["passed"] and len(model["pairs"]) == 4


def test_the_trained_models_accuracy_is_the_published_one(run_cli, tmp_path):
    done = run_cli("convert", triport.SHIPPED, "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert done.exit_code == 0, done.output
    for runtime in ("mindspore", "pytorch", "onnx"):
        done = run_cli(
            "evaluate", triport.SHIPPED, "--runtime", runtime, "--data", "examples/digits/val", "--json", "-"
        )
        assert json.loads(done.stdout)["top1_percent"] == pytest.approx(99.33, abs=0.01), done.output


@pytest.fixture
def module(tmp_path):
    """A file with a small Module."""
    path = tmp_path / "small_net.py"
    path.write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn


            class Small(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.conv = nn.Conv2d(3, 8, 3, padding=1)
                    self.norm = nn.BatchNorm2d(8)
                    self.head = nn.Linear(8, 5)

                def forward(self, x):
                    x = torch.relu(self.norm(self.conv(x)))
                    x, gate = x.chunk(2, 1)
                    x = torch.cat([x * torch.sigmoid(gate), nn.functional.gelu(gate)], 1)
                    return self.head(x.flatten(2).mean(2))


            def build():
                return Small()
            """
        )
    )
    return path


def test_a_module_goes_to_onnx(module, run_cli, tmp_path):
    words = ["convert", f"{module}:build", "--input", "1x3x8x8", "--to", "onnx", "-o", tmp_path / "x.onnx"]
    done = run_cli(*words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("runtime", ["pytorch", "mindspore"])
def test_the_file_becomes_source(runtime, module, run_cli, tmp_path):
    words = ["convert", f"{module}:build", "--input", "1x3x8x8", "--to", "onnx", "-o", tmp_path / "x.onnx"]
    assert run_cli(*words).exit_code == 0
    done = run_cli("convert", tmp_path / "x.onnx", "--to", runtime, "-o", tmp_path / "source")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("runtime", ["pytorch", "mindspore"])
def test_weights_are_loaded_into_networks(runtime, tmp_path):
    from triport import mindspore as into_mindspore
    from triport import torch as into_torch
    from triport.reference_models.spec import get_model

    spec = get_model("res2net_digits")
    if runtime == "pytorch":
        done = into_torch.load_into(spec.build_torch(10), triport.SHIPPED)
    else:
        done = into_mindspore.load_into(spec.build_mindspore(10), triport.SHIPPED)
    assert done.passed


def test_weights_go_into_an_onnx_file_and_out_of_it(run_cli, tmp_path):
    done = run_cli("convert", triport.SHIPPED, "--to", "onnx", "-o", tmp_path / "x.onnx", "--json", "-")
    assert done.exit_code == 0, done.output
    back = run_cli("convert", tmp_path / "x.onnx", "--to", "mindspore", "-o", tmp_path / "x.ckpt")
    assert back.exit_code == 0, back.output
    assert triport.diff(triport.SHIPPED, tmp_path / "x.ckpt").passed


def test_a_folder_is_verified_and_a_changed_one_is_not(run_cli, published, tmp_path):
    assert run_cli("verify", published.folder).exit_code == 0
    folder = shutil.copytree(published.folder, tmp_path / "copy")
    (weights,) = folder.glob("*.ckpt")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(bytes(data))
    assert run_cli("verify", folder).exit_code == 1
