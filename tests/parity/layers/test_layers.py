"""The module that is wrong is the one that is named, in every runtime."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from onnx.parser import parse_model

from tests.few_are_quick import one_in
from triport.converters.networks.registered import of_model
from triport.converters.onnx_export.from_mindspore import FROM_MINDSPORE
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.parity.batches import random_batch
from triport.parity.layers import onnx_apart, onnx_taps
from triport.parity.layers.pairs import paired_paths
from triport.parity.layers.reference import StepReference
from triport.parity.layers.trace import layers_of
from triport.parity.runtimes.mindspore import MindSporeRunner
from triport.parity.runtimes.onnx import OnnxRunner
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.parity.subjects.random_weights import random_parameters
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
WRONG = "layer2.0.convs.1"


def pytorch(parameters):
    return PyTorchRunner(of_model(SPEC, 10), parameters)


def mindspore(parameters):
    return MindSporeRunner(of_model(SPEC, 10), parameters)


def onnx(parameters):
    return OnnxRunner(
        FROM_TORCH.export(SPEC, 10, parameters).SerializeToString(), of_model(SPEC, 10), keep_model=True
    )


RUNNERS = [pytorch, mindspore, onnx]


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC)


@pytest.fixture(scope="module")
def references(parameters):
    exact = PyTorchRunner(of_model(SPEC, 10), parameters, dtype="float64")
    rounded = PyTorchRunner(of_model(SPEC, 10), parameters)
    batch = {"input": random_batch(SPEC)}
    return {alone: StepReference(exact, rounded, batch, alone=alone) for alone in (False, True)}


def wrong(parameters):
    """One channel of one convolution off by 1 %."""
    weight = parameters[f"{WRONG}.weight"].copy()
    weight[3] *= np.float32(1.01)
    return {**parameters, f"{WRONG}.weight": weight}


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("make", RUNNERS, ids=lambda make: make.__name__)
def test_right_modules_pass_and_the_wrong_one_is_named(make, alone, parameters, references):
    right = layers_of(make(parameters), references[alone], alone=alone)
    assert right.passed and right.parting is None
    found = layers_of(make(wrong(parameters)), references[alone], alone=alone)
    assert not found.passed
    assert (found.parting.step.name, found.parting.inside) == (WRONG, True)
    assert found.parting.step.worst_channels[0][0] == 3
    assert found.parting.step.given_error < 1e-6 < 1e-3 < found.parting.step.error


@pytest.mark.parametrize("make", RUNNERS, ids=lambda make: make.__name__)
def test_apart_only_the_wrong_module_is_wrong(make, parameters, references):
    """What follows it, fed the reference's input, is right again."""
    found = layers_of(make(wrong(parameters)), references[True], alone=True)
    leaves = {step.name for step in references[True].steps if step.leaf}
    assert [step.name for step in found.steps if not step.passed and step.name in leaves] == [WRONG]


def test_every_module_with_parameters_is_compared(parameters, references):
    owners = {step.name for step in references[False].steps if f"{step.path}.weight" in parameters}
    for make in RUNNERS:
        compared = {step.name for step in layers_of(make(parameters), references[False]).steps}
        assert owners <= compared


def test_a_fault_between_modules_is_told_from_one_inside(parameters, references):
    """A block that adds its input twice: the addition is no module, what follows it gets a wrong input."""
    runner = pytorch(parameters)
    block = runner._net.get_submodule("layer2.1")
    block.downsample.register_forward_hook(lambda module, arguments, output: 2 * output)
    found = layers_of(runner, references[False])
    assert found.parting.step.name == "layer2.1.downsample"

    runner = pytorch(parameters)
    last = runner._net.get_submodule("layer2.1.relu")
    calls = []

    def twice(module, arguments):
        calls.append(1)
        return (2 * arguments[0],) if len(calls) == 5 else None

    last.register_forward_pre_hook(twice)
    found = layers_of(runner, references[False])
    assert found.parting.step.name.startswith("layer2.1.relu")
    assert not found.parting.inside
    assert "its input is wrong" in str(found.parting)


def test_nan_and_another_shape_part(parameters, references):
    runner = pytorch(parameters)
    runner._net.get_submodule(WRONG).register_forward_hook(lambda m, a, output: output * float("nan"))
    assert layers_of(runner, references[False]).parting.step.name == WRONG
    runner = pytorch(parameters)
    runner._net.get_submodule("fc").register_forward_hook(lambda m, a, output: output[:, 1:])
    parting = layers_of(runner, references[False]).parting
    assert parting.step.name == "fc" and parting.step.error == np.inf


def test_noise_is_the_modules_own(references):
    reference = references[False]
    noises = [reference.noise(step) for step in reference.steps]
    assert min(noises) > 1e-8
    assert max(noises) < 1e-5
    assert len({f"{noise:.2e}" for noise in noises}) > 20


@pytest.mark.parametrize(
    "name", ["resnet18_mindcv", "regnet_y_200mf", "efficientnet_lite0", "inception_v4", "resnetv2_50"]
)
def test_modules_of_the_pair_are_matched_by_what_they_own(name):
    spec = get_model(name)
    parameters = random_parameters(spec, 10)
    ours = PyTorchRunner(of_model(spec, 10), parameters).modules()
    theirs = MindSporeRunner(of_model(spec, 10), parameters).modules()
    pairs = paired_paths(ours, theirs)
    assert len(set(pairs.values())) == len(pairs)
    mine = {module.path: module for module in ours}
    for module in theirs:
        if module.leaf and module.parameters:
            counted = {n for n in mine[pairs[module.path]].parameters if "num_batches" not in n}
            assert counted == module.parameters
    leaves = [module for module in ours if module.leaf and module.kind != "Identity"]
    unpaired = [module.path for module in leaves if module.path not in pairs.values()]
    # MindCV has inception's stem in one cell
    assert unpaired == (["features.3.maxpool", "features.5.maxpool"] if name == "inception_v4" else [])


def test_taps_need_no_node_names(parameters, references):
    model = FROM_TORCH.export(SPEC, 10, parameters)
    steps = references[False].steps
    named = onnx_taps.taps_in(model, steps, {"input:input": "input"})
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    assert onnx_taps.taps_in(model, steps, {"input:input": "input"}) == named
    assert len(named) > 0.9 * len(steps)


def test_tapped_outputs_come_in_pieces(parameters, references, monkeypatch):
    runs = []
    monkeypatch.setattr(onnx_taps, "BUDGET_BYTES", 200_000)
    runner = onnx(parameters)
    run = runner.run_tensors
    monkeypatch.setattr(runner, "run_tensors", lambda *arguments: runs.append(1) or run(*arguments))
    assert layers_of(runner, references[False]).passed
    assert len(runs) > 3


@pytest.mark.parametrize(
    ("name", "exporter", "size_px"),
    one_in(2, [("res2net_digits", FROM_MINDSPORE, 32), ("tf_efficientnet_lite0", FROM_TORCH, 64)]),
)
def test_padding_may_be_a_node_or_within_one(name, exporter, size_px):
    """MindSpore's export of the one pads in the pool, PyTorch's of the other before each convolution."""
    spec = replace(get_model(name), input_size_px=size_px)
    parameters = random_parameters(spec, 10)
    exact = PyTorchRunner(of_model(spec, 10), parameters, dtype="float64")
    rounded = PyTorchRunner(of_model(spec, 10), parameters)
    model = exporter.export(spec, 10, parameters)
    runner = OnnxRunner(model.SerializeToString(), of_model(spec, 10), keep_model=True)
    for alone in (False, True):
        found = layers_of(
            runner, StepReference(exact, rounded, {"input": random_batch(spec)}, alone=alone), alone=alone
        )
        assert found.passed, found.parting
        assert len(found.steps) > 110
    if exporter is FROM_TORCH:
        assert not found.not_compared  # each was fed apart, padding and all


def test_a_library_may_compute_a_sigmoid_otherwise():
    """MindSpore's is off by more roundings than any sum of these layers."""
    spec = get_model("regnet_y_200mf")
    parameters = random_parameters(spec, 10, seed=1)
    exact = PyTorchRunner(of_model(spec, 10), parameters, dtype="float64")
    rounded = PyTorchRunner(of_model(spec, 10), parameters)
    reference = StepReference(exact, rounded, {"input": random_batch(spec, 2, 1, 75)}, seed=1)
    found = layers_of(MindSporeRunner(of_model(spec, 10), parameters), reference)
    assert found.passed, found.parting
    sigmoids = [step for step in found.steps if step.kind == "Sigmoid"]
    assert len(sigmoids) > 10 and max(step.tolerance for step in sigmoids) < 1e-5


def test_noise_alone_is_of_roundings_and_not_nothing(references):
    """Fed the same in every draw, a module would only be as far from itself as its kernels are."""
    reference = references[True]
    convolutions = [step for step in reference.steps if step.kind == "Conv2d"]
    assert all(reference.noise(step) > 2.0**-24 for step in convolutions)


@pytest.mark.parametrize(
    ("given", "output", "between"),
    [
        ("x", "b", ["Transpose", "MatMul", "Relu"]),
        ("a", "b", ["Relu"]),
        ("x", "sum", None),  # of x and of another input
        ("b", "a", None),  # the other way round
        ("w", "wt", ["Transpose"]),
        ("x", "wt", None),  # of constants alone
        ("a", "a", None),
    ],
)
def test_what_is_between_two_tensors(given, output, between):
    model = parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        f (float[2,2] x, float[2,2] y) => (float[2,2] sum) <float[2,2] w = {1, 2, 3, 4}> {
            wt = Transpose(w)
            a = MatMul(x, wt)
            b = Relu(a)
            sum = Add(b, y)
        }"""
    )
    part = onnx_apart.part_between(ir.from_proto(model).graph, given, output)
    assert (part and [node.op_type for node in part]) == between
