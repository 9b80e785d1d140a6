"""Both frameworks train alike; a framework that does not is found, and how."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.parity.checking import checked as check_model
from triport.converters.networks.registered import of_model
from triport.parity.batches import random_batch
from triport.parity.reports.junit import junit_of
from triport.parity.reports.page import page_of
from triport.parity.subjects.random_weights import random_parameters
from triport.parity.training.check import Training, check_training
from triport.parity.training.report import json_of, statistics_line, table_of, verdict_of
from triport.parity.training.trainers import pytorch as pytorch_trainer
from triport.parity.training.trainers.pytorch import PyTorchTrainer
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
NETWORK = of_model(SPEC)
FOUR = {"N": 4}


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(SPEC)


@pytest.fixture(scope="module")
def report(parameters):
    return check_training(NETWORK, parameters, Training(FOUR, steps=2))


def test_mindspore_trains_like_pytorch(report):
    assert report.passed
    assert [pair.candidate for pair in report.pairs] == ["pytorch", "mindspore"]
    for pair in report.pairs:
        assert {result.name for result in pair.gradients} == {
            name for name in random_parameters(SPEC) if "running" not in name
        }
        assert max(result.tolerance for result in pair.gradients) < 1e-2
        assert max(pair.steps.loss_allowed) < 1e-2


def test_how_the_statistics_are_updated(report):
    for pair in report.pairs:
        assert pair.statistics.momentum == pytest.approx(0.1, rel=1e-4)
        assert pair.statistics.variance == "unbiased"
        assert statistics_line(pair).endswith("takes 0.100 of the new batch, variance unbiased")


def test_parameters_are_left_as_they_were(parameters, report):
    assert all((parameters[name] == value).all() for name, value in random_parameters(SPEC).items())


def test_reports(report):
    (parsed,) = json.loads(json.dumps(json_of([report]), allow_nan=False))
    assert parsed["passed"] and len(parsed["pairs"][1]["gradients"]) > 100
    assert len(parsed["pairs"][1]["steps"]["loss"]) == 2
    assert table_of(report).row_count == 12
    assert verdict_of([report]) == "Training is equal"


@pytest.fixture(scope="module")
def logits(parameters):
    return check_model(SPEC, parameters, random_batch(SPEC), runtimes=["pytorch"])


def test_page_and_junit(logits, report):
    page = page_of([logits], trained=[report])
    assert "<title>Parity: equal</title>" in page and "Training is equal" in page
    assert page.count('class="dot"') == 2 * (len(report.pairs[0].gradients) + 74 + 2)
    assert "parity res2net_digits --batch-size 4 --size 32 --seed 0 --gradients --steps 2" in page
    for pair in report.pairs:
        assert f"{pair.steps.loss[1]:.7f}" in page
    suites = ElementTree.fromstring(junit_of([logits], trained=[report]).encode())
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [
        ("res2net_digits", "0"),
        ("res2net_digits training", "0"),
    ]


def _biased(trainer):
    for module in trainer._net.modules():
        if type(module).__name__ == "BatchNorm2d":
            module.register_forward_hook(_biased_variance)


def _biased_variance(module, arguments, output):
    count = output.numel() // output.shape[1]
    with_batch = module.running_var.data
    new = arguments[0].detach().var((0, 2, 3), unbiased=True)
    with_batch.add_(module.momentum * (new * (count - 1) / count - new))


def _momentum(trainer):
    for module in trainer._net.modules():
        if type(module).__name__ == "BatchNorm2d":
            module.momentum = 0.9


def _gradient(trainer):
    trainer._named["layer2.0.convs.0.weight"].register_hook(lambda gradient: gradient * 1.01)


def _smoothing(trainer):
    trainer._loss.label_smoothing = 0.0


def _decay(trainer):
    trainer._optimizer.param_groups[0]["weight_decay"] = 1.0


def _no_momentum(trainer):
    trainer._optimizer.param_groups[0]["momentum"] = 0.0


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (_biased, "statistics"),
        pytest.param(_momentum, "statistics", marks=pytest.mark.slow),
        (_gradient, "gradients"),
        pytest.param(_smoothing, "loss", marks=pytest.mark.slow),
        pytest.param(_decay, "steps", marks=pytest.mark.slow),
        pytest.param(_no_momentum, "steps", marks=pytest.mark.slow),
    ],
)
def test_a_framework_that_trains_otherwise_is_found(fault, part, parameters, logits, monkeypatch):
    class Wrong(PyTorchTrainer):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            fault(self)

    monkeypatch.setattr(pytorch_trainer, "load", Wrong)
    steps = 3 if part == "steps" else 0
    report = check_training(NETWORK, parameters, Training(FOUR, ("pytorch",), steps=steps))
    (pair,) = report.pairs
    assert not report.passed
    assert {
        "loss": pair.loss.passed,
        "gradients": all(result.passed for result in pair.gradients),
        "statistics": pair.statistics.passed,
        "steps": pair.steps is None or pair.steps.passed,
    }[part] is False
    if fault is _gradient:
        page = page_of([logits], trained=[report])
        assert "<title>Parity: NOT equal</title>" in page and "Training differs in 1 of 1 models" in page
        assert page.count('class="dot out"') == page.count('class="ring"') == 1
        suites = ElementTree.fromstring(junit_of([logits], trained=[report]).encode())
        (failure,) = suites.iter("failure")
        assert failure.get("message").startswith("gradients differ: layer2.0.convs.0.weight is off by")
        assert [r.name for r in pair.gradients if not r.passed] == ["layer2.0.convs.0.weight"]
    if fault is _biased:
        assert pair.statistics.variance == "biased"
    if fault is _momentum:
        assert pair.statistics.momentum == pytest.approx(0.9, rel=1e-3)
    assert verdict_of([report]) == "Training differs in 1 of 1 models: res2net_digits"


def test_a_gradient_that_is_not_finite_fails(parameters):
    broken = {**parameters, "fc.bias": np.full(10, np.nan, np.float32)}
    assert not check_training(NETWORK, broken, Training(FOUR, ("pytorch",))).passed


@pytest.mark.slow
def test_graph_mode_before_it_changes_nothing(parameters):
    """Whoever has converted a Cell in the same process has left MindSpore in graph mode."""
    import mindspore

    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    try:
        report = check_training(NETWORK, parameters, Training(FOUR, ("mindspore",)))
    finally:
        mindspore.set_context(mode=before)
    assert report.passed
