"""The model's tensors are found in what training scripts save; the rest is listed."""

from __future__ import annotations

import argparse
import importlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.checkpoint_samples import array
from triport.converters.convert import read_parameters
from triport.converters.formats import ArrayTensor, FormatError, Tensor, open_checkpoint, write_checkpoint
from triport.converters.formats.selection import Selection
from triport.converters.formats.training_state import optimizer_that_owns
from triport.converters.names import canonical_shapes, name_map
from triport.reference_models.errors import TriportError
from triport.reference_models.spec import get_model

torch = importlib.import_module("torch")


def state(value: float = 1.0, prefix: str = "") -> dict[str, Any]:
    return OrderedDict({f"{prefix}fc.weight": torch.full((2, 3), value), f"{prefix}fc.bias": torch.zeros(2)})


def first(path: Path) -> float:
    return float(open_checkpoint(path).tensors["fc.weight"].numpy()[0, 0])


def test_pytorch_examples_and_modelzoo(tmp_path: Path) -> None:
    model = torch.nn.Sequential(OrderedDict(fc=torch.nn.Linear(3, 2)))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 90,
        "arch": "resnet50",
        "state_dict": {f"module.{k}": v for k, v in model.state_dict().items()},
        "best_acc1": torch.tensor(76.1),
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, data=Path("x")),
        "top5": np.float64(93.0),
        "history": np.arange(3),
    }
    torch.save(checkpoint, tmp_path / "x.pth.tar")
    found = open_checkpoint(tmp_path / "x.pth.tar")
    assert list(found.tensors) == ["fc.weight", "fc.bias"]
    np.testing.assert_array_equal(found.tensors["fc.weight"].numpy(), model.fc.weight.detach().numpy())
    assert {drop.name: drop.reason for drop in found.dropped} == {
        "epoch": "beside the weights: 90",
        "arch": "beside the weights: 'resnet50'",
        "best_acc1": "beside the weights: a tensor float32[]",
        "optimizer": "training state",
        "args": "beside the weights: argparse.Namespace",
        "top5": "beside the weights: a NumPy array float64[]",
        "history": "beside the weights: a NumPy array int64[3]",
    }
    assert found.notes == (
        "the state dict was found under 'state_dict'",
        "the prefix 'module.' was taken off every name",
    )


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (("model", "state_dict", "model_ema", "state_dict_ema"), "state_dict_ema"),
        (("model", "state_dict", "model_ema"), "model_ema"),
        (("model", "state_dict"), "state_dict"),
        (("model",), "model"),
        (("net",), "net"),
    ],
)
def test_timms_order_of_look_up(tmp_path: Path, keys: tuple[str, ...], chosen: str) -> None:
    torch.save(
        {key: state(1.0 + key.startswith(chosen) * (key == chosen)) for key in keys}, tmp_path / "x.pth"
    )
    found = open_checkpoint(tmp_path / "x.pth")
    assert first(tmp_path / "x.pth") == 2.0
    assert [drop.name for drop in found.dropped] == [key for key in keys if key != chosen]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_wrappers_prefixes_are_taken_off(tmp_path: Path, prefix: str) -> None:
    torch.save(state(3.0, prefix), tmp_path / "x.pth")
    assert first(tmp_path / "x.pth") == 3.0


def test_a_prefix_of_some_names_stays(tmp_path: Path) -> None:
    torch.save({**state(), "module.x": torch.ones(1)}, tmp_path / "x.pth")
    assert list(open_checkpoint(tmp_path / "x.pth").tensors) == ["fc.weight", "fc.bias", "module.x"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": state(), "b": state()}, r"several state dicts \(a, b\)"),
        ({"epoch": 3, "loss": 0.5}, "no state dict inside; its keys are epoch, loss"),
        ([1, 2], "holds list; expected a state dict"),
        (torch.ones(3), "holds one tensor; expected a state dict"),
        ({}, "holds an empty dict; expected a state dict"),
    ],
    ids=["two", "none", "list", "tensor", "empty"],
)
def test_what_has_no_one_state_dict_is_an_error(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.pth")


def test_a_whole_module_is_named(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pth")
    with pytest.raises(FormatError, match=r"whole object of class torch\.nn\.modules\.linear\.Linear"):
        open_checkpoint(tmp_path / "x.pth")
    torch.save({"model": torch.nn.Linear(2, 2), "epoch": 1}, tmp_path / "x.pth")
    with pytest.raises(FormatError, match=r"'model' is a whole object of class torch\.nn"):
        open_checkpoint(tmp_path / "x.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_program_is_named(tmp_path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "x.pt")
    with pytest.raises(FormatError, match="TorchScript"):
        open_checkpoint(tmp_path / "x.pt")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_quantised_tensors_are_named(tmp_path: Path) -> None:
    torch.save({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, tmp_path / "x.pth")
    with pytest.raises(FormatError, match=r"tensor 'w' is a quantised tensor, which is not supported"):
        open_checkpoint(tmp_path / "x.pth")


def test_mindspores_training_state_is_dropped(tmp_path: Path) -> None:
    names = ["conv.weight", "bn.gamma", "moments.conv.weight", "moments.bn.gamma", "moment1.other.weight"]
    tensors: dict[str, Tensor] = {name: ArrayTensor(array("float32", (2, 2))) for name in names}
    tensors |= {
        name: ArrayTensor(array("float32", ())) for name in ("learning_rate", "momentum", "scale_sense")
    }
    tensors |= {name: ArrayTensor(array("int64", ())) for name in ("epoch_num", "step_num", "global_step")}
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", tensors)
    found = open_checkpoint(tmp_path / "x.ckpt")
    # a layer that is called like an optimizer's state stays, for there is no such parameter
    assert list(found.tensors) == ["conv.weight", "bn.gamma", "moment1.other.weight"]
    reasons = {drop.name: drop.reason for drop in found.dropped}
    assert set(reasons) == set(tensors) - set(found.tensors)
    assert reasons["moments.bn.gamma"] == "the optimizer's state of bn.gamma"
    assert reasons["epoch_num"] == "training progress"


def test_mindcvs_ema_copies_are_dropped_with_a_note(tmp_path: Path) -> None:
    names = ["conv.weight", "bn.gamma", "ema.conv.weight", "ema.bn.gamma"]
    tensors: dict[str, Tensor] = {n: ArrayTensor(array("float32", (2,), i)) for i, n in enumerate(names)}
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", tensors)
    found = open_checkpoint(tmp_path / "x.ckpt")
    assert list(found.tensors) == names[:2]
    assert found.tensors["conv.weight"].numpy().tobytes() == tensors["conv.weight"].numpy().tobytes()
    assert any("2 EMA copies" in note for note in found.notes)


def test_only_ema_names_lose_their_prefix(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {"ema.bn.gamma": ArrayTensor(array("float32", (2,)))}
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", tensors)
    assert list(open_checkpoint(tmp_path / "x.ckpt").tensors) == ["bn.gamma"]


def test_append_dict_of_mindspore(tmp_path: Path) -> None:
    mindspore = importlib.import_module("mindspore")
    parameter = {"name": "bn.gamma", "data": mindspore.Tensor(np.ones(2, np.float32))}
    extra = {"epoch_num": 3, "network": "resnet50", "lr": 0.1}
    mindspore.save_checkpoint([parameter], str(tmp_path / "x.ckpt"), append_dict=extra)
    found = open_checkpoint(tmp_path / "x.ckpt")
    assert list(found.tensors) == ["bn.gamma"]
    assert {drop.name for drop in found.dropped} == set(extra)
    assert "a text, not a tensor: 'resnet50'" in {drop.reason for drop in found.dropped}


def test_parameters_that_are_called_after_the_optimizer_within_a_cell(tmp_path: Path) -> None:
    """As MindSpore 2.10 saves a Cell with the attribute `optimizer`, where the network stands before it."""
    spec = get_model("resnet18")
    dialect = next(one for one in spec.dialects if one.name == "mindcv")
    names = name_map(spec, dialect)
    shapes = {names[ours]: shape for ours, shape in canonical_shapes(spec, 10).items() if ours in names}
    tensors: dict[str, Tensor] = {"optimizer.learning_rate": ArrayTensor(array("float32", ()))}
    for name, shape in shapes.items():
        tensor = ArrayTensor(array("float32", shape))
        if name.rpartition(".")[2].startswith("moving_"):
            tensors[name] = tensor
        else:
            tensors |= {f"optimizer.{name}": tensor, f"optimizer.moments.{name}": tensor}
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", tensors)
    with pytest.raises(
        TriportError, match=r"called 'optimizer\.\*', beside the state .* Save the network before"
    ):
        read_parameters(tmp_path / "x.ckpt")


def test_parameters_of_a_network_alone_are_called_after_no_optimizer() -> None:
    assert optimizer_that_owns({"a.b.weight": (2,), "a.weight": (3,), "a.c.bias": (1,)}) is None
    assert optimizer_that_owns(canonical_shapes(get_model("resnet50"))) is None


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_the_network_at_the_outermost_level_beside_another_copy_is_asked_for(
    tmp_path: Path, wrapper: str
) -> None:
    tensors = {
        name: torch.full(shape, 0.5) for name, shape in canonical_shapes(get_model("resnet18")).items()
    }
    copy = {f"ema.{wrapper}{name}": 2 * tensor for name, tensor in tensors.items()}
    torch.save({f"{wrapper}{name}": tensor for name, tensor in tensors.items()} | copy, tmp_path / "x.pth")
    with pytest.raises(
        TriportError, match=r"more than once, with other values: under 'ema', at the outermost"
    ):
        read_parameters(tmp_path / "x.pth")
    found = open_checkpoint(tmp_path / "x.pth", Selection(prefix="."))
    assert {float(tensor.numpy().flat[0]) for tensor in found.tensors.values()} == {0.5}
