"""The definitions compute what the publishers' own implementations computed, in both frameworks."""

from functools import lru_cache

import pytest

from tests.oracle_weights import FOLDER, MODELS, load_oracle
from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of
from triport.parity.judge.comparison import compare
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.pytorch import PyTorchRunner

RUNNERS = {"pytorch": PyTorchRunner, "mindspore": MindSporeRunner}
ORACLES = sorted(path.stem for path in FOLDER.glob("*.npz"))
# one of a family that no run meets by way of a converted file (tests/converters/test_oracles.py)
QUICK = {
    "mindcv-res2net50",
    "mindcv-resnext50_32x4d",
    "timm-resnetv2_50",
    "timm-efficientnet_lite0",
}


def run(oracle, runtime, parameters):
    runner = RUNNERS[runtime](of_model(oracle.spec, oracle.logits.shape[1]), parameters)
    return logits_of(runner, oracle.batch())


@lru_cache(maxsize=1)  # both runtimes take the same
def drawn(name):
    oracle = load_oracle(name)
    return oracle, oracle.parameters()


def test_every_oracle_has_a_model():
    assert sorted(MODELS) == ORACLES


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ORACLES]
)
def test_definition_meets_the_publisher(name, runtime):
    oracle, parameters = drawn(name)
    reference, tolerance = oracle.reference()
    found = compare(reference, run(oracle, runtime, dict(parameters)), tolerance)
    print(f"{name} in {runtime}: {found.max_rel:.2e} of {tolerance:.2e}")
    assert found.passed, f"needs {found.needed_tolerance:.2e}, allowed is {tolerance:.2e}"


@pytest.mark.parametrize("runtime", RUNNERS)
@pytest.mark.parametrize(
    ("name", "other"),
    [("mindcv-resnet18", "resnet18"), ("torchvision-resnet18", "resnet18_mindcv")],
)
def test_another_graph_with_the_same_weights_does_not(name, other, runtime, monkeypatch):
    monkeypatch.setitem(MODELS, name, other)
    oracle = load_oracle(name)
    reference, tolerance = oracle.reference()
    found = compare(reference, run(oracle, runtime, oracle.parameters()), tolerance)
    assert found.max_rel > 0.01


@pytest.mark.parametrize("runtime", RUNNERS)
def test_two_exchanged_layers_do_not(runtime):
    oracle = load_oracle("torchvision-resnet18")
    parameters = oracle.parameters()
    first, second = "layer1.0.bn1.bias", "layer1.0.bn1.running_mean"
    parameters[first], parameters[second] = parameters[second], parameters[first]
    reference, tolerance = oracle.reference()
    assert not compare(reference, run(oracle, runtime, parameters), tolerance).passed
