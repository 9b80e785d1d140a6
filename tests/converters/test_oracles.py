"""A publisher's own checkpoint, through `convert`, computes the publisher's own logits in every runtime."""

import json

import pytest

from tests.converters.checkpoints import write_arrays
from tests.oracle_weights import MODELS, load_oracle
from triport.converters.convert import read_parameters
from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of
from triport.parity.judge.comparison import compare
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner

# one of each family and publisher in every run; the others in the long one
QUICK = {
    "mindcv-resnet18",
    "mindcv-regnet_x_200mf",
    "timm-tf_efficientnet_lite0",
    "torchvision-resnet18",
    "torchvision-regnet_y_400mf",
}


def run_file(runtime, path, spec, batch, num_classes):
    """Run a converted file as its user would: ONNX as it is, the others in our definition."""
    if runtime == "onnx":
        return logits_of(OnnxRunner(path, of_model(spec, num_classes)), batch)
    loaded = read_parameters(path, spec.name)
    runner = {"mindspore": MindSporeRunner, "pytorch": PyTorchRunner}[runtime]
    return logits_of(runner(of_model(loaded.spec, num_classes), loaded.parameters), batch)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]
)
def test_converted_checkpoint_meets_the_publisher(name, tmp_path, run_cli):
    oracle = load_oracle(name)
    suffix = {"mindspore": ".ckpt", "pytorch": ".pth"}[oracle.runtime]
    source = write_arrays(tmp_path / f"source{suffix}", oracle.runtime, oracle.checkpoint())
    reference, tolerance = oracle.reference()
    # EfficientNet-Lite's two graphs have one set of names; everything else is found from the file
    said = ["--model", oracle.spec.name] if "efficientnet" in name else []
    for runtime, ending in (("mindspore", ".ckpt"), ("pytorch", ".pth"), ("onnx", ".onnx")):
        output = tmp_path / f"out{ending}"
        result = run_cli("convert", source, "--to", runtime, "-o", output, "--json", "-", *said)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["model"] == oracle.spec.name
        logits = run_file(runtime, output, oracle.spec, oracle.batch(), oracle.logits.shape[1])
        found = compare(reference, logits, tolerance)
        assert found.passed, f"{runtime} needs {found.needed_tolerance:.2e}, allowed is {tolerance:.2e}"
