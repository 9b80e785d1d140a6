"""Precisions: what they do to the logits, on the CPU, and where they are refused."""

import numpy as np
import pytest

from tests.few_are_quick import one_in
from tests.parity.checking import checked as check_model
from triport.converters.networks.registered import of_model
from triport.parity.batches import logits_of
from triport.parity.device import Device, parse_device
from triport.parity.noise.perturbed import PerturbedRunner
from triport.parity.precision import (
    PRECISIONS,
    PrecisionError,
    check_precision,
    recorded,
)
from triport.parity.runtimes import mindspore as mindspore_runtime
from triport.parity.runtimes import runtime_called, runtimes_with
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.spec import get_model

NETWORK = of_model(get_model("res2net_digits"))


def checked_precision(precision, runtime, device):
    one = runtime_called(runtime)
    check_precision(precision, device, runtime, one.PRECISIONS, one.WHY_NOT)


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(6).normal(size=(3, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def exact(subject, batch):
    return logits_of(PyTorchRunner(of_model(*subject[:2]), subject[2], dtype="float64"), batch)


def distance(logits, exact):
    return np.abs(logits - exact).max() / np.abs(exact).max()


def pytorch(subject, precision):
    return PyTorchRunner(of_model(*subject[:2]), subject[2], precision=precision)


def mindspore(subject, precision):
    return MindSporeRunner(of_model(*subject[:2]), subject[2], precision=precision)


@pytest.mark.parametrize("runner", [pytorch, mindspore])
@pytest.mark.parametrize(
    ("precision", "low", "high"),
    [("float32", 0, 5e-6), ("O0", 0, 5e-6)]
    + [(name, 5e-5, 5e-3) for name in ("O1", "O2", "O3", "float16")]
    + [("bfloat16", 5e-4, 5e-2)],
)
def test_rounds_as_much_as_it_says(runner, precision, low, high, subject, batch, exact):
    if (runner, precision) == (mindspore, "bfloat16"):
        with pytest.raises(PrecisionError, match=r"BatchNorm takes no bfloat16\. Use one of float32"):
            runner(subject, precision)
        return
    made = runner(subject, precision)
    logits = logits_of(made, batch)
    assert logits.dtype == np.float32
    assert low <= distance(logits, exact) <= high
    assert np.array_equal(logits.argmax(1), exact.argmax(1))
    recorded_as = "float32" if precision == "O0" and runner is pytorch else precision
    assert made.versions()["precision"] == recorded_as


@pytest.mark.parametrize(
    ("level", "halves"), [("O1", set()), ("O2", {"conv", "dense"}), ("O3", {"conv", "dense", "norm"})]
)
def test_levels_lower_the_layers_that_they_name(level, halves, subject):
    import torch

    net = PyTorchRunner(of_model(*subject[:2]), subject[2], precision=level)._net
    kinds = {torch.nn.Conv2d: "conv", torch.nn.Linear: "dense", torch.nn.BatchNorm2d: "norm"}
    found = {kinds[type(m)] for m in net.modules() if type(m) in kinds and m.weight.dtype == torch.float16}
    assert found == halves


def test_mindspore_o1_lowers_every_convolution_and_dense_layer(subject):
    from mindspore import nn

    cells = [
        cell
        for _, cell in MindSporeRunner(
            of_model(*subject[:2]), subject[2], precision="O1"
        )._net.cells_and_names()
    ]
    layers = [cell for cell in cells if isinstance(cell, nn.Conv2d | nn.Dense)]
    wrappers = [cell for cell in cells if type(cell).__name__ == "FromAndToFloat32"]
    assert len(layers) == len(wrappers) > 10
    assert {id(wrapper.cell) for wrapper in wrappers} == {id(layer) for layer in layers}


@pytest.mark.parametrize("runtime", ["pytorch", "mindspore", "onnx"])
@pytest.mark.parametrize(("precision", "device"), [("tf32", "cuda"), ("hf32", "npu")])
def test_units_of_other_devices(runtime, precision, device):
    for word in ("cpu", "cuda", "npu"):
        where = parse_device(word)
        if word == device and (runtime, precision) != ("onnx", "hf32"):
            checked_precision(precision, runtime, where)
        else:
            with pytest.raises(PrecisionError, match=f"precision {precision}"):
                checked_precision(precision, runtime, where)


@pytest.mark.parametrize(
    "precision", [name for name in PRECISIONS if name not in ("float32", "tf32", "hf32", "int8")]
)
def test_a_files_own_precision(precision):
    with pytest.raises(PrecisionError, match="an ONNX file says its own precision"):
        checked_precision(precision, "onnx", Device("cpu"))


def test_unknown_precision(subject):
    with pytest.raises(PrecisionError, match="'float8' is not known: use one of float32, tf32"):
        PyTorchRunner(of_model(*subject[:2]), subject[2], precision="float8")


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("float32", "cpu", {"precision": "float32"}),
        ("float32", "cuda", {"precision": "float32", "tf32": "off"}),
        ("tf32", "cuda", {"precision": "tf32", "tf32": "on"}),
        ("float32", "npu", {"precision": "float32", "hf32": "off"}),
        ("hf32", "npu", {"precision": "hf32", "hf32": "on"}),
    ],
)
def test_units_are_recorded(precision, device, expected):
    assert recorded(precision, parse_device(device)) == expected


def test_onnx_records_float32(tmp_path, run_cli):
    path = tmp_path / "x.onnx"
    assert run_cli("convert", "--to", "onnx", "-o", path).exit_code == 0
    assert OnnxRunner(path, NETWORK).versions()["precision"] == "float32"
    with pytest.raises(PrecisionError, match="tf32 is of cuda devices; cpu has none"):
        OnnxRunner(path, NETWORK, precision="tf32")


def test_command_line(run_cli):
    words = (
        "evaluate",
        "res2net_digits",
        "--data",
        "examples/digits/val",
        "--limit",
        20,
        "--runtime",
        "pytorch",
    )
    found = run_cli(*words, "--precision", "float16")
    assert found.exit_code == 0 and "on cpu with precision float16: 20 images" in found.stdout
    refused = run_cli(*words, "--precision", "tf32")
    assert refused.exit_code == 2 and "tf32 is of cuda devices" in refused.stderr


def test_perturbed_runs_are_as_far_apart_as_the_precision_and_leave_the_network_alone(subject, batch, exact):
    runner = PerturbedRunner(of_model(*subject[:2]), subject[2], rounding=2.0**-11, seed=0)
    first, second = logits_of(runner, batch), logits_of(runner, batch)
    assert 1e-4 < distance(first, second) < 1e-1
    again = logits_of(PerturbedRunner(of_model(*subject[:2]), subject[2], rounding=2.0**-11, seed=0), batch)
    assert (first == again).all()
    other = logits_of(PerturbedRunner(of_model(*subject[:2]), subject[2], rounding=2.0**-11, seed=1), batch)
    assert (first != other).any()
    assert distance(PyTorchRunner.run(runner, {"input": batch})["logits"], exact) < 5e-6


@pytest.mark.parametrize(
    "precision",
    one_in(5, ["float16", "O2", "bfloat16", "O1", "O3"]),
)
def test_right_networks_pass_and_a_wrong_one_does_not(precision, subject, batch):
    spec, num_classes, parameters = subject
    runtimes = runtimes_with(precision)
    report = check_model(
        spec, parameters, batch, num_classes=num_classes, runtimes=runtimes, precision=precision,
        layers=True, isolate=True,
    )  # fmt: skip
    assert report.passed and report.precision == precision
    assert "onnx" not in runtimes and len(report.pairs) == len(runtimes)
    for pair in report.pairs:
        # a tolerance that nothing could miss would be none
        assert 0.02 < pair.comparison.needed_tolerance / pair.comparison.tolerance < 0.5
        assert len(pair.layers.steps) > 130 and len(pair.isolated.steps) > 130


def test_a_fault_is_found_beside_float16(subject, batch, monkeypatch):
    spec, num_classes, parameters = subject
    wrong = {**parameters, "layer2.0.bn1.weight": np.roll(parameters["layer2.0.bn1.weight"], 1)}

    def mistaken(network, parameters, device, precision):
        return MindSporeRunner(network, wrong, device, precision=precision)

    monkeypatch.setattr(mindspore_runtime, "MindSporeRunner", mistaken)
    report = check_model(
        spec, parameters, batch, num_classes=num_classes, runtimes=("pytorch", "mindspore"),
        precision="float16", layers=True,
    )  # fmt: skip
    right, faulty = report.pairs
    assert right.passed and not faulty.passed
    assert faulty.layers.parting.step.name == "layer2.0.bn1" and faulty.layers.parting.inside
