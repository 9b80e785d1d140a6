"""MindSpore optimizers' state beside the weights."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.converters.checkpoints import dialect_of, named_arrays, write_arrays
from triport.converters.environment import import_mindspore
from triport.converters.formats import open_checkpoint
from triport.reference_models.spec import get_model

SPEC = get_model("res2net_digits")
STATISTICS = ("moving_mean", "moving_variance")
NN = (
    *("AdaFactor", "AdaMax", "Adadelta", "Adagrad", "Adam", "AdamOffload", "AdamWeightDecay", "ASGD", "FTRL"),
    *("LARS", "Lamb", "LazyAdam", "Momentum", "ProximalAdagrad", "RMSProp", "Rprop", "SGD"),
)
MINT = ("Adam", "AdamW", "SGD")
EXPERIMENTAL = (
    *("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
)
QUICK = {"nn.AdaFactor", "nn.ASGD", "nn.LARS", "mint.AdamW", "experimental.Rprop"}

# prefixes and scalars of MindCV 0.3.0's optimizers: mindcv/optim/*.py
MINDCV = {
    "adamw": (("adam_m.", "adam_v."), ()),
    "adan": (("moment1.", "moment2.", "moment3.", "prev_gradient."), ()),
    "lamb": (("lamb_m.", "lamb_v."), ()),
    "lion": (("lion_m.",), ("beta1_power", "beta2_power")),
    "nadam": (("nadam_m.", "nadam_v."), ("mu_schedule",)),
    "one of somebody's own": (("my_state_", "velocity/of."), ("my_step",)),
}


def arrays(prefix: str = "") -> dict[str, np.ndarray]:
    found = named_arrays(SPEC, dialect_of(SPEC, "mindcv"))
    return {f"{prefix}{name}": array for name, array in found.items()}


def trainable(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in found.items() if not name.endswith(STATISTICS)}


def made(kind: str) -> Callable[[Any], Any]:
    """Return what makes an optimizer of that kind of a list of parameters."""
    ms = import_mindspore()
    module, _, name = kind.partition(".")
    if kind == "nn.LARS":
        return lambda parameters: ms.nn.LARS(ms.nn.Momentum(parameters, 0.1, 0.9))
    if module == "nn":
        more = {"Momentum": (0.1, 0.9), "Lamb": (0.1,)}.get(name, ())
        return lambda parameters: getattr(ms.nn, name)(parameters, *more)
    place = ms.mint.optim if module == "mint" else importlib.import_module("mindspore.experimental.optim")
    return lambda parameters: getattr(place, name)(parameters, lr=0.1)


def assert_all_written(run_cli: Any, source: Path, output: Path, state: set[str]) -> None:
    """Convert, and check that the weights are there and the state is listed as such."""
    done = run_cli("convert", source, "--to", "mindspore", "-o", output, "--json", "-")
    assert done.exit_code == 0, done.output
    found = open_checkpoint(output).tensors
    expected = arrays()
    assert set(found) == set(expected)
    assert all(found[name].numpy().tobytes() == array.tobytes() for name, array in expected.items())
    reasons = {item["name"]: item["reason"] for item in json.loads(done.stdout)["dropped"]}
    assert set(reasons) == state
    assert all("optimizer" in reason for reason in reasons.values())


@pytest.mark.field(
    case="mindspore_optimizer_state",
    source="mindspore-lab/mindcv utils/callbacks.py (save_checkpoint of the training network); "
    "mindspore.nn, mindspore.mint.optim and mindspore.experimental.optim of MindSpore 2.10, saved",
    outcome="Every optimizer's state is listed with that reason, and the weights are converted.",
)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow)
        for kind in (
            *(f"nn.{name}" for name in NN),
            *(f"mint.{name}" for name in MINT),
            *(f"experimental.{name}" for name in EXPERIMENTAL),
        )
    ],
)
def test_every_optimizer_of_mindspore(run_cli: Any, tmp_path: Path, kind: str) -> None:
    ms = import_mindspore()
    values = arrays()
    parameters = [ms.Parameter(ms.Tensor(array), name=name) for name, array in trainable(values).items()]
    optimizer = made(kind)(parameters)
    saved = {parameter.name: parameter for parameter in optimizer.get_parameters()}
    state = set(saved) - set(values)
    assert state, "an optimizer without state shows nothing"
    saved |= {name: ms.Parameter(ms.Tensor(a), name=name) for name, a in values.items() if name not in saved}
    entries = [{"name": name, "data": parameter} for name, parameter in saved.items()]
    ms.save_checkpoint(entries, str(tmp_path / "train.ckpt"))
    assert_all_written(run_cli, tmp_path / "train.ckpt", tmp_path / "out.ckpt", state)


@pytest.mark.field(
    case="mindcv_optimizer_state",
    source="mindspore-lab/mindcv optim/lion.py, adan.py, lamb.py, nadam.py of 0.3.0",
    outcome="State of optimizers that nobody listed is known by its structure.",
)
@pytest.mark.parametrize("prefix", ["", "network."])
@pytest.mark.parametrize("optimizer", MINDCV)
def test_state_is_known_by_its_structure(run_cli: Any, tmp_path: Path, optimizer: str, prefix: str) -> None:
    prefixes, scalars = MINDCV[optimizer]
    values = arrays(prefix)
    state = {f"{start}{name}": np.ones_like(a) for start in prefixes for name, a in trainable(values).items()}
    state |= {name: np.ones((), np.float32) for name in scalars}
    write_arrays(tmp_path / "train.ckpt", "mindspore", {**state, **values})
    assert_all_written(run_cli, tmp_path / "train.ckpt", tmp_path / "out.ckpt", set(state))


@pytest.mark.field(
    case="fine_tuned_head_state",
    source="MindSpore's transfer learning tutorial: all but the head is frozen",
    outcome="State of the head alone is known beside other state of training.",
)
def test_state_of_the_head_alone(run_cli: Any, tmp_path: Path) -> None:
    values = arrays()
    state = {
        f"unlisted_m.{name}": np.ones_like(a) for name, a in values.items() if name.startswith("classifier.")
    }
    state |= {"learning_rate": np.ones((), np.float32), "global_step": np.ones((1,), np.int32)}
    write_arrays(tmp_path / "train.ckpt", "mindspore", {**values, **state})
    assert_all_written(run_cli, tmp_path / "train.ckpt", tmp_path / "out.ckpt", set(state))


@pytest.mark.field(
    case="no_optimizer_state",
    source="found beside mindspore_optimizer_state",
    outcome="What only looks like an optimizer's state is not left out without a word.",
)
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (lambda v: {f"teacher.{name}": a + 1 for name, a in v.items()}, "--prefix teacher"),
        (lambda v: {"temperature": np.ones((1,), np.float32)}, "temperature"),
        (lambda v: {"aux.classifier.weight": v["classifier.weight"]}, "aux.classifier.weight"),
        (
            lambda v: {"layer1.0.scale": np.ones((1,), np.float32), "global_step": np.ones(1)},
            "layer1.0.scale",
        ),
        (
            lambda v: {
                **{f"m.{name}": np.ones_like(a) for name, a in trainable(v).items()},
                "logit_scale": np.ones((1,), np.float32),
                "m.logit_scale": np.ones((1,), np.float32),
            },
            "logit_scale",
        ),
    ],
    ids=["another network", "a scalar", "another head", "a scale in a block", "a trained scalar"],
)
def test_what_only_looks_like_state(run_cli: Any, tmp_path: Path, more: Any, message: str) -> None:
    values = arrays()
    write_arrays(tmp_path / "train.ckpt", "mindspore", {**values, **more(values)})
    done = run_cli("convert", tmp_path / "train.ckpt", "--to", "mindspore", "-o", tmp_path / "out.ckpt")
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not (tmp_path / "out.ckpt").exists()
