"""Networks as the source of a conversion: an object, a Cell's factory, a model's name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import triport


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("cells_as_net", None)


def test_a_module_as_an_object(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from triport.converters.torch_export.exporters import DYNAMO, EXPORTERS

    monkeypatch.delitem(EXPORTERS, DYNAMO)
    done = triport.convert(torch.nn.Linear(3, 2), to="onnx", inputs=["1x3"])
    assert (done.passed, done.to_dict()["comparison"]["verdict"]) == (True, "equal")
    assert Path("Linear.onnx").exists()


def test_what_is_no_network(folder: Path) -> None:
    with pytest.raises(triport.Error, match=r"a dict: expected a path, a torch.nn.Module"):
        triport.convert({}, to="onnx")


def test_a_cell(folder: Path, run_cli: Callable[..., Any]) -> None:
    pytest.importorskip("mindspore")
    Path("cells_as_net.py").write_text(
        "from mindspore import nn\n\n\n"
        "def make(size, bias=True):\n    return nn.Dense(size, 2, has_bias=bias)\n"
    )
    words = ("--to", "onnx", "--input", "1x3", "--json", "-")
    result = run_cli("convert", "cells_as_net.py:make(3, bias=False)", *words)
    assert result.exit_code == 0, result.output
    assert '"verdict": "equal"' in result.stdout
    assert Path("make.onnx").exists()
    result = run_cli("convert", "cells_as_net:make(3)", "--to", "onnx", "--cell", "cells_as_net:make")
    assert (result.exit_code, "give a NET or --cell, not both" in result.output) == (2, True)


def test_a_models_name_with_its_weights(folder: Path, run_cli: Callable[..., Any]) -> None:
    from triport.converters.convert import SHIPPED

    result = run_cli("convert", "res2net_digits", "--checkpoint", SHIPPED, "--to", "pytorch", "-o", "x.pth")
    assert result.exit_code == 0, result.output
    assert "res2net_digits" in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet50"], "has no weights of its own. Published are resnet50.torchvision_v1"),
        (["resnet50", "--checkpoint", "SHIPPED"], "resnet50"),
        (["resnet50", "--checkpoint", "SHIPPED", "--input", "1x3"], "leave --input out"),
        (["resnet50", "--checkpoint", "SHIPPED", "--model", "resnet18"], "are two different models"),
        (["nowhere:make", "--input", "1x3"], "No module named 'nowhere'"),
        (["nowhere.py:make", "--input", "1x3"], "there is no such file"),
    ],
)
def test_bad_usage(folder: Path, run_cli: Callable[..., Any], words: list[str], message: str) -> None:
    from triport.converters.convert import SHIPPED

    words = [str(SHIPPED) if word == "SHIPPED" else word for word in words]
    result = run_cli("convert", *words, "--to", "onnx", "-o", "x.onnx")
    assert result.exit_code == 2
    assert message in result.output
    assert not Path("x.onnx").exists()


def test_a_model_and_a_file_of_one_name(folder: Path, run_cli: Callable[..., Any]) -> None:
    Path("resnet50").write_text("")
    result = run_cli("convert", "resnet50", "--to", "onnx", "-o", "x.onnx")
    assert (result.exit_code, "Write ./resnet50 for the file" in result.output) == (2, True)
