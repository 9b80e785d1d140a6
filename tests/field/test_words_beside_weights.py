"""What stands beside weights in MindSpore's and PyTorch's files: statements, numbers, other keys."""

from __future__ import annotations

import importlib
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.field.digits_weights import HEAD, assert_delivers, assert_refused, digits, state_dict
from triport.converters.convert import SHIPPED
from triport.converters.statements.tables_in_text import names_in

torch = importlib.import_module("torch")


def ckpt_with(path: Path, appended: dict[str, Any]) -> Path:
    """Write the small model as MindSpore does, with an append_dict."""
    mindspore = importlib.import_module("mindspore")
    found = mindspore.load_checkpoint(str(SHIPPED))
    parameters = [{"name": name, "data": mindspore.Tensor(one.asnumpy())} for name, one in found.items()]
    mindspore.save_checkpoint(parameters, str(path), append_dict=appended)
    return path


APPENDED: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": ({"arch": "res2net50", "lr": 0.1}, "arch says 'res2net50'"),
    "another epsilon": ({"bn_eps": 0.001}, "bn_eps says '0.001"),
    "another number of classes": ({"num_classes": 11}, "num_classes says '11'"),
}


@pytest.mark.field(
    case="what a .ckpt says of itself in save_checkpoint's append_dict",
    source="found by an adversary: arch=res2net50 was listed as a text, and converted as another model",
    outcome="Exit 2 where it is not the model's, with the entry, its value and the model.",
)
@pytest.mark.parametrize("kind", APPENDED)
def test_statements_of_append_dict(tmp_path: Path, run_cli: Any, kind: str) -> None:
    appended, words = APPENDED[kind]
    assert_refused(run_cli, ckpt_with(tmp_path / "x.ckpt", appended), words)


@pytest.mark.field(
    case="numbers of a training loop in save_checkpoint's append_dict",
    source="mindspore.save_checkpoint's own example: {'epoch_num': 1, 'lr': 0.01, 'best': True}",
    outcome="Left out and listed with their values; the weights are converted.",
)
def test_numbers_of_append_dict(tmp_path: Path, run_cli: Any) -> None:
    appended = {"epoch_num": 3, "lr": 0.1, "best": True, "acc1": 0.5, "num_classes": 10, "note": "best"}
    said = assert_delivers(run_cli, ckpt_with(tmp_path / "x.ckpt", appended))
    assert "of a training loop or an optimizer: True" in said
    assert "of a training loop or an optimizer: 0.5" in said


@pytest.mark.field(
    case="a number beside the weights that may be a parameter",
    source="found by an adversary: CLIP's logit_scale is one number at the outermost level",
    outcome="Refused: the model does not have it.",
)
def test_a_number_that_may_be_a_parameter(tmp_path: Path, run_cli: Any) -> None:
    assert_refused(run_cli, ckpt_with(tmp_path / "x.ckpt", {"logit_scale": 2.5}), "logit_scale: ()")


@pytest.mark.field(
    case="how torchvision's reference script prepared the images, beside the weights",
    source="pytorch/vision references/classification/train.py: val_resize_size of the second recipe is 232",
    outcome="Not taken, and the output says so: never that nothing states it.",
)
def test_preparation_of_a_script(tmp_path: Path, run_cli: Any) -> None:
    args = Namespace(val_resize_size=232, val_crop_size=224, interpolation="bilinear", lr=0.5)
    torch.save({"model": state_dict(), "args": args}, tmp_path / "x.pth")
    said = " ".join(assert_delivers(run_cli, tmp_path / "x.pth").split())
    assert "not taken from args.val_resize_size, args.val_crop_size, args.interpolation, it is that" in said
    assert "nothing states it" not in said


@pytest.mark.field(
    case="state dicts under numbers, as of the folds of a cross-validation",
    source="found by an adversary: {0: state_dict, 1: state_dict} was said to have no state dict inside",
    outcome="Asked for, where there are several; one alone is found.",
)
def test_state_dicts_under_numbers(tmp_path: Path, run_cli: Any) -> None:
    other = state_dict(**{HEAD.replace(".", "__"): torch.zeros(10, 256)})
    torch.save({0: other, 1: state_dict()}, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", "has several state dicts (0, 1)", "--key 0")
    result = run_cli(
        "convert", tmp_path / "x.pth", "--key", "1", "--to", "mindspore", "-o", tmp_path / "y.ckpt"
    )
    assert result.exit_code == 0, result.output
    torch.save({7: state_dict()}, tmp_path / "z.pth")
    assert "found under '7'" in assert_delivers(run_cli, tmp_path / "z.pth")


EMPTY: dict[str, tuple[Any, str]] = {
    "a rank's part": ({"state_dict": {}, "epoch": 3}, "its 'state_dict' is an empty dict"),
    "an optimizer's file": ({"state": {}, "param_groups": []}, "state of training alone"),
    "an optimizer": ({"optimizer": {"state": {}, "param_groups": []}}, "state of training alone (optimizer)"),
    "random generators": ({"python": (3, (1,)), "cpu": torch.zeros(9, dtype=torch.uint8)}, "(python, cpu)"),
    "options of a training": (Namespace(lr=0.5), "the options of a training (class argparse.Namespace)"),
    "DeepSpeed's optimizer": (
        {"optimizer_state_dict": {"zero_stage": 2}, "ds_config": {}},
        "DeepSpeed's zero_to_fp32.py makes the whole",
    ),
}


@pytest.mark.field(
    case="a checkpoint of a process that has no parameters, or of an optimizer alone",
    source="pytorch: StateDictType.FULL_STATE_DICT with rank0_only gives an empty dict on all other ranks",
    outcome="The message says so, and which file to take.",
)
@pytest.mark.parametrize("kind", EMPTY)
def test_no_weights_inside(tmp_path: Path, run_cli: Any, kind: str) -> None:
    held, words = EMPTY[kind]
    torch.save(held, tmp_path / "x.pth")
    assert_refused(run_cli, tmp_path / "x.pth", words, "ake")


@pytest.mark.field(
    case="an object whose class is called as options are, with weights within",
    source="found by reading: a namespace with a state dict was said to hold no weights",
    outcome="It is an object that is not rebuilt; that it has no weights is not said.",
)
def test_a_namespace_with_weights(tmp_path: Path, run_cli: Any) -> None:
    torch.save(Namespace(net={"fc.weight": torch.ones(2, 2)}), tmp_path / "x.pth")
    said = assert_refused(
        run_cli, tmp_path / "x.pth", "a whole object of class argparse.Namespace", "state_dict"
    )
    assert "no weights" not in said


@pytest.mark.field(
    case="other weights in the file, where --key names those that are meant",
    source="found by an adversary: it was said that they were chosen as timm does",
    outcome="The reason is --key.",
)
def test_the_key_is_the_reason(tmp_path: Path, run_cli: Any) -> None:
    torch.save({"model": state_dict(), "model_ema": state_dict()}, tmp_path / "x.pth")
    for key, words in ((None, "as timm does"), ("model", "as --key says")):
        options = () if key is None else ("--key", key)
        output = tmp_path / f"{key}.safetensors"
        result = run_cli("convert", tmp_path / "x.pth", *options, "--to", "pytorch", "-o", output)
        assert result.exit_code == 0, result.output
        assert words in result.output


@pytest.mark.field(
    case="a tensor whose key is a number, in a state dict",
    source="found by an adversary: it was called 'no tensor: a tensor float32[10, 256]'",
    outcome="Left out, as its key is no name, and said so.",
)
def test_a_tensor_under_a_number(tmp_path: Path, run_cli: Any) -> None:
    torch.save({**state_dict(), 5: torch.ones(2)}, tmp_path / "x.pth")
    said = assert_delivers(run_cli, tmp_path / "x.pth")
    assert "its key is of the type int" in said
    assert "no tensor: a tensor" not in said


@pytest.mark.field(
    case="a path that is no UTF-8, among a training script's arguments",
    source="found by an adversary: os.fsdecode makes half characters of it, and the file was called damaged",
    outcome="Read as pickle wrote it; the weights are converted.",
)
def test_half_characters(tmp_path: Path, run_cli: Any) -> None:
    args = Namespace(data="/data/caf\udce9", lr=0.5)
    torch.save({"model": state_dict(), "args": args}, tmp_path / "x.pth")
    assert_delivers(run_cli, tmp_path / "x.pth")


@pytest.mark.field(
    case="a mean in the metadata of a .safetensors",
    source="found by an adversary: it was said that nothing states the preprocessing",
    outcome="Not taken, and the output says so.",
)
def test_preparation_in_metadata(tmp_path: Path, run_cli: Any) -> None:
    from safetensors.torch import save_file

    save_file(dict(state_dict()), tmp_path / "x.safetensors", metadata={"format": "pt", "mean": "[0.2, 0.2]"})
    said = " ".join(assert_delivers(run_cli, tmp_path / "x.safetensors").split())
    assert "not taken from metadata mean" in said
    assert "not checked: metadata mean ([0.2, 0.2])" in said


@pytest.mark.field(
    case="a file with the name of a published one, the digits of its SHA-256 in it, and other bytes",
    source="torch.hub checks them (check_hash=True); fine-tuned weights are easily saved over it",
    outcome="Converted, and the output says that it is another file, or was changed.",
)
def test_the_name_of_a_published_file(tmp_path: Path, run_cli: Any) -> None:
    import hashlib

    digits = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()[:8]
    path = tmp_path / f"res2net_digits-{digits}.ckpt"
    path.write_bytes(SHIPPED.read_bytes())
    assert "it is another file" not in assert_delivers(run_cli, path)
    torch.save(state_dict(), path.with_suffix(".pth"))
    said = " ".join(assert_delivers(run_cli, path.with_suffix(".pth")).split())
    assert f"res2net_digits.triport, whose SHA-256 begins with {digits}" in said
    assert "it is another file, or was changed" in said


@pytest.mark.field(
    case="timm's config.json that states images of one channel, beside weights of three",
    source="found by an adversary: input_size [1, 224, 224] was taken for [3, 224, 224]",
    outcome="Refused: the preprocessing is not known here.",
)
def test_one_channel(tmp_path: Path, run_cli: Any) -> None:
    import json

    stated = {"input_size": [1, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    torch.save(state_dict(), tmp_path / "x.pth")
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": stated}))
    assert_refused(run_cli, tmp_path / "x.pth", "of 1 channels")


@pytest.mark.field(
    case="class names in the metadata of an ONNX or .safetensors file, more or fewer than it has outputs",
    source="found by an adversary; ultralytics/ultralytics writes names, others classes or id2label",
    outcome="Exit 2 with the count; as many as there are outputs are no matter.",
)
@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("names", "{0: 'a', 1: 'b', 2: 'c'}"),
        ("classes", '["a", "b"]'),
        ("id2label", json.dumps({str(number): "a" for number in range(11)})),
        ("names", None),
        ("classes", None),
    ],
)
def test_names_of_other_classes(tmp_path: Path, run_cli: Any, key: str, names: str | None) -> None:
    text = names or str({number: f"class {number}" for number in range(10)})
    save_file(
        {name: np.array(array) for name, array in digits().items()}, tmp_path / "x.safetensors", {key: text}
    )
    done = run_cli("inspect", tmp_path / "x.safetensors", "--strict")
    if names is None:
        assert done.exit_code == 0, done.output
    else:
        count = len(names_in(names))
        assert done.exit_code == 1
        assert f"metadata {key}" in done.output and f"says '{count}', its head has 10 classes" in done.output


@pytest.mark.field(
    case="a file of one rank of MindSpore's parallel training, with a slice of a tensor",
    source="mindspore: semi_auto_parallel saves rank_0/NET-1_100.ckpt; it was called another network",
    outcome="Refused, and it is said what the path says and how whole tensors are made.",
)
def test_a_slice_of_one_rank(tmp_path: Path, run_cli: Any) -> None:
    path = tmp_path / "rank_0" / "net-1_100.ckpt"
    path.parent.mkdir()
    weights = {name: np.array(array) for name, array in digits().items()}
    save_file(weights | {HEAD: weights[HEAD][:, :128].copy()}, path, {"format": "ms"})
    message = assert_refused(run_cli, path, "one rank of a parallel training", "transform_checkpoints")
    assert "fc.weight: shape (10, 128), expected (10, 256)" in message
