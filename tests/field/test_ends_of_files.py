"""What follows the end of a file: padding is read over where it can mean nothing, and said to be."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.field.digits_weights import assert_delivers, assert_refused, digits, state_dict
from triport.converters.convert import SHIPPED
from triport.converters.formats import ArrayTensor, write_checkpoint

torch = importlib.import_module("torch")
onnx = importlib.import_module("onnx")


def saved(path: Path, legacy: bool, after: bytes) -> Path:
    """Write a state dict with bytes behind it."""
    torch.save(state_dict(), path, _use_new_zipfile_serialization=not legacy)
    with path.open("ab") as file:
        file.write(after)
    return path


@pytest.mark.field(
    case="a .pth, new or of before 1.6, with zero bytes behind its end",
    source="found here: storage that fills blocks up; torch.load reads it",
    outcome="read, and the bytes that were left out are counted; it had been called damaged",
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("count", [1, 4096])
def test_zeros_behind_the_end(run_cli: Any, tmp_path: Path, legacy: bool, count: int) -> None:
    said = assert_delivers(run_cli, saved(tmp_path / "x.pth", legacy, bytes(count)))
    follow = "byte follows" if count == 1 else "bytes follow"
    assert f"{count} zero {follow} the end of what was saved: left out" in said


@pytest.mark.field(
    case="a .pth with other bytes, or a second torch.save, behind its end",
    source="found here",
    outcome="refused: the file holds something else too, with the command that takes it away",
)
@pytest.mark.parametrize(
    ("legacy", "words"),
    [(False, "follow the end of the zip"), (True, "as after a second torch.save into one file")],
    ids=["zip", "legacy"],
)
def test_other_bytes_behind_the_end(run_cli: Any, tmp_path: Path, legacy: bool, words: str) -> None:
    path = saved(tmp_path / "x.pth", legacy, b"")
    size = path.stat().st_size
    saved(path, legacy, b"\0\0more\0\0")
    said = assert_refused(run_cli, path, words, f"head -c {size} FILE > NEW")
    assert "damaged" not in said


@pytest.mark.field(
    case="a .pth whose last 70,000 bytes are zeros, as of a download that took its room beforehand",
    source="found here; torch.load finds no directory in it either",
    outcome="refused: zeros are where the directory belongs",
)
def test_a_download_that_was_not_finished(run_cli: Any, tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", False, b"")
    path.write_bytes(path.read_bytes()[:-70_000] + bytes(70_000))
    assert_refused(run_cli, path, "bytes are zeros, where a zip has its directory", "get it again")


def ckpt(path: Path) -> Path:
    """Write the shipped weights."""
    path.write_bytes(SHIPPED.read_bytes())
    return path


def safetensors(path: Path) -> Path:
    """Write the shipped weights for PyTorch."""
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in digits().items()})
    return path


def model(path: Path) -> Path:
    """Write an ONNX file with them."""
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in digits().items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), path)
    return path


@pytest.mark.field(
    case="a .ckpt, .safetensors or .onnx file with zero bytes behind its end",
    source="found here; MindSpore, safetensors and onnx refuse such a file too",
    outcome="refused: how many bytes are too many, not 'damaged'; an .onnx file had been of no known format",
)
@pytest.mark.parametrize(("write", "suffix"), [(ckpt, "ckpt"), (safetensors, "safetensors"), (model, "onnx")])
def test_zeros_that_nobody_reads_over(
    run_cli: Any, tmp_path: Path, write: Callable[[Path], Path], suffix: str
) -> None:
    path = write(tmp_path / f"x.{suffix}")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(100))
    said = assert_refused(run_cli, path, "100 bytes", f"head -c {size} FILE > NEW")
    assert "damaged" not in said


@pytest.mark.field(
    case="ONNX external data that states no length, in a file with more behind it",
    source="onnx/docs/ExternalData.md (length is optional); ONNX Runtime takes what the tensor needs",
    outcome="read; it had been called damaged",
)
def test_external_data_without_a_length(run_cli: Any, tmp_path: Path) -> None:
    path = model(tmp_path / "x.onnx")
    proto = onnx.load(path)
    for tensor in proto.graph.initializer:
        data = tensor.raw_data
        with (tmp_path / "x.data").open("ab") as file:
            offset = file.tell()
            file.write(data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "x.data"), ("offset", str(offset))):
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())
    assert_delivers(run_cli, path)


@pytest.mark.field(
    case="safetensors whose __metadata__ has a number, or whose tensors are aligned with gaps",
    source="found here: written by hand, without the library, which refuses both",
    outcome="refused with what is not allowed and how to save it anew; no byte contradicts another",
)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.update(__metadata__={"epoch": 3}), "'epoch' is none"),
        (lambda header: header["b"].update(data_offsets=[64, 72]), "leaves 56 bytes unused before it"),
    ],
    ids=["number", "gap"],
)
def test_headers_that_safetensors_refuses(
    run_cli: Any, tmp_path: Path, change: Callable[[Any], Any], words: str
) -> None:
    header: dict[str, Any] = {
        name: {"dtype": "F32", "shape": [2], "data_offsets": [8 * place, 8 * place + 8]}
        for place, name in enumerate("ab")
    }
    change(header)
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + np.zeros(18, np.float32).tobytes())
    said = assert_refused(run_cli, path, words, "library refuses", "save")
    assert "damaged" not in said
