"""Two files of the same weights that say otherwise how their images are prepared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.field.digits_weights import digits, state_dict
from triport.converters.formats import ArrayTensor, write_checkpoint

Write = Callable[[Path, dict[str, str]], None]


def onnx_file(path: Path, said: dict[str, str]) -> None:
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in digits().items()]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors))
    onnx.helper.set_model_props(model, said)
    onnx.save(model, path)


def training_state(path: Path, said: dict[str, str]) -> None:
    torch.save({"state_dict": state_dict(), "args": said}, path)


def compare(run_cli: Any, folder: Path, write: Write, first: dict[str, str], second: dict[str, str]) -> Any:
    """Compare two files of the same weights; return the exit code, and what the JSON and the lines say."""
    for name, said in (("a", first), ("b", second)):
        (folder / name).mkdir()
        write(folder / name / "x", said)
    done = run_cli("inspect", folder / "a" / "x", folder / "b" / "x")
    found = json.loads(run_cli("inspect", folder / "a" / "x", folder / "b" / "x", "--json", "-").stdout)
    assert found["weights_equal"] is True
    assert found["equal"] is (done.exit_code == 0)
    return done, found["preprocessing_differences"]


@pytest.mark.field(
    case="files of equal weights with another mean, size or order of channels in their metadata or args",
    source="found here: `inspect A B` said 'Equal, bit for bit', and one of the two gives other results",
    outcome="exit 1: weights equal, preprocessing differs, with both values",
)
@pytest.mark.parametrize("write", [onnx_file, training_state])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"mean": "0.485,0.456,0.406"}, {"mean": "[0.5, 0.5, 0.5]"}),
        ({"image_std": "1 1 1"}, {"std": "0.229, 0.224, 0.225"}),
        ({"input_size": "3,224,224"}, {"input_size": "3,299,299"}),
        ({"color_space": "RGB"}, {"color_space": "BGR"}),
        ({"interpolation": "bilinear"}, {"interpolation": "bicubic"}),
    ],
)
def test_words_that_differ(
    run_cli: Any, tmp_path: Path, write: Write, first: dict[str, str], second: dict[str, str]
) -> None:
    done, differing = compare(run_cli, tmp_path, write, first, second)
    assert done.exit_code == 1
    assert "Weights equal; preprocessing differs: 1 thing that the files state otherwise" in done.output
    assert "Equal, bit for bit" not in done.output
    assert len(differing) == 1
    assert all(value in differing[0] for value in (*first.values(), *second.values()))


@pytest.mark.field(
    case="files of equal weights whose words for the same preprocessing differ, or of which one says nothing",
    source="found here, as the counterpart",
    outcome="exit 0",
)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"mean": "0.485,0.456,0.406"}, {"image_mean": "[0.4850, 0.456, 0.406]"}),
        ({"mean": "0.485,0.456,0.406"}, {"mean": "123.675, 116.28, 103.53"}),
        ({"mean": "0.485,0.456,0.406"}, {"std": "1,1,1"}),
        ({"color_space": "rgb"}, {"color_space": "RGB"}),
        ({"mean": "0.5,0.5,0.5"}, {}),
    ],
)
def test_words_that_agree(
    run_cli: Any, tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    done, differing = compare(run_cli, tmp_path, onnx_file, first, second)
    assert (done.exit_code, differing) == (0, [])


def hub(path: Path, said: dict[str, str]) -> None:
    """Write weights with timm's config.json beside them."""
    write_checkpoint(
        path.with_name("model.safetensors"),
        "pytorch",
        {name: ArrayTensor(array) for name, array in digits().items()},
    )
    path.with_name("model.safetensors").rename(path)
    config = {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 32, 32], "crop_pct": 1.0}
    config |= {key: json.loads(value) for key, value in said.items()}
    path.with_name("config.json").write_text(json.dumps({"pretrained_cfg": config}))


@pytest.mark.field(
    case="the same weights beside two of timm's config.json with other means",
    source="found here",
    outcome="exit 1, with what each config.json states; equal if both state one",
)
@pytest.mark.parametrize("mean", [0.5, 0.4])
def test_a_config_beside_each(run_cli: Any, tmp_path: Path, mean: float) -> None:
    done, differing = compare(run_cli, tmp_path, hub, {}, {"mean": str([mean] * 3)})
    assert (done.exit_code, len(differing)) == ((0, 0) if mean == 0.5 else (1, 1))
    if differing:
        assert "mean 0.5/0.5/0.5 in" in differing[0]
        assert "0.4/0.4/0.4 in" in differing[0]
        assert differing[0].count("config.json beside the file") == 2


@pytest.mark.field(
    case="files that differ in weights and in what they state of images",
    source="found here, as the counterpart",
    outcome="exit 1, both said",
)
def test_both_differ(run_cli: Any, tmp_path: Path) -> None:
    training_state(tmp_path / "a", {"mean": "0.5,0.5,0.5"})
    other = torch.from_numpy(np.zeros_like(digits()["fc.bias"]))
    torch.save({"state_dict": state_dict(fc__bias=other), "args": {"mean": "0,0,0"}}, tmp_path / "b")
    done = run_cli("inspect", tmp_path / "a", tmp_path / "b")
    assert done.exit_code == 1
    assert "Different: 1 tensor; preprocessing differs" in done.output


@pytest.mark.field(
    case="metadata of triport with a word that is none: channels gbr, interpolation lanczos",
    source="found here: the order of channels was taken for RGB without a word",
    outcome="refused, with what may stand there",
)
@pytest.mark.parametrize(
    ("key", "word"), [("channels", "gbr"), ("interpolation", "lanczos"), ("library", "tensorflow")]
)
def test_words_that_are_none(run_cli: Any, tmp_path: Path, key: str, word: str) -> None:
    said = {"resize_px": 32, "crop_px": 32, "interpolation": "bilinear", "library": "pil"}
    said |= {"channels": "rgb", "mean": [0.5] * 3, "std": [0.5] * 3, key: word}
    metadata = {"triport.model": "res2net_digits", "triport.preprocessing": json.dumps(said)}
    onnx_file(tmp_path / "x.onnx", metadata)
    done = run_cli("convert", tmp_path / "x.onnx", "--to", "pytorch", "-o", tmp_path / "x.pth")
    assert done.exit_code == 2
    assert f"{key} '{word}' is none of" in done.output
    assert not (tmp_path / "x.pth").exists()


@pytest.mark.field(
    case="metadata with numbers with which no image can be prepared, or no number of classes",
    source="found by an adversary: a deviation of 0 or NaN, a crop of 10^9, 'ten' classes were taken",
    outcome="Exit 2, and the number is named.",
)
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("std", [0.5, 0.0, 0.5], "0.0 is no standard deviation"),
        ("std", [0.5, -0.5, 0.5], "-0.5 is no standard deviation"),
        ("mean", [float("nan")] * 3, "nan is no mean"),
        ("crop_px", 10**9, "1000000000 is no number of pixels"),
        ("resize_px", float("inf"), "cannot be read"),
        ("resize_px", 31.5, "31.5 is no number of pixels"),
        ("triport.num_classes", "ten", "num_classes says 'ten', its head has 10 classes"),
        ("triport.num_classes", "-1", "num_classes says '-1', its head has 10 classes"),
    ],
)
def test_numbers_that_are_none(run_cli: Any, tmp_path: Path, key: str, value: Any, message: str) -> None:
    said = {"resize_px": 32, "crop_px": 32, "interpolation": "bilinear", "library": "pil"}
    said |= {"channels": "rgb", "mean": [0.5] * 3, "std": [0.5] * 3}
    metadata = {"triport.model": "res2net_digits", "triport.preprocessing": json.dumps({**said, key: value})}
    if "." in key:
        metadata = {"triport.model": "res2net_digits", key: value}
    onnx_file(tmp_path / "x.onnx", metadata)
    done = run_cli("convert", tmp_path / "x.onnx", "--to", "pytorch", "-o", tmp_path / "x.pth")
    assert done.exit_code == 2
    assert message in done.output
