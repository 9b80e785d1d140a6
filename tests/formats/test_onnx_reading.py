"""ONNX files: every way to store a tensor, and external data that must not lead elsewhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.formats.checkpoint_samples import payload
from triport.converters.formats import FormatError, open_checkpoint
from triport.converters.formats import onnx as onnx_format

VALUES = {
    TensorProto.FLOAT: [1.5, -2.0],
    TensorProto.DOUBLE: [1.5, -2.0],
    TensorProto.FLOAT16: [1.5, -2.0],
    TensorProto.BFLOAT16: [1.5, -2.0],
    TensorProto.INT64: [-1, 2**62],
    TensorProto.INT32: [-1, 2],
    TensorProto.INT16: [-1, 2],
    TensorProto.INT8: [-1, 2],
    TensorProto.UINT8: [1, 255],
    TensorProto.UINT16: [1, 65535],
    TensorProto.UINT32: [1, 2**32 - 1],
    TensorProto.UINT64: [1, 2**64 - 1],
    TensorProto.BOOL: [True, False],
    TensorProto.COMPLEX64: [1 + 2j, 3j],
}


def save(path: Path, tensors: list[Any], nodes: list[Any] | None = None) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    nodes = nodes or [helper.make_node("Identity", ["w"], ["y"])]
    model = helper.make_model(helper.make_graph(nodes, "g", [], [output], tensors), producer_name="tester")
    helper.set_model_props(model, {"model": "resnet18"})
    onnx.save(model, path)
    return model


def typed(kind: int) -> TensorProto:
    """A tensor with its values in the field of its type."""
    if kind == TensorProto.COMPLEX64:  # which helpers before onnx 1.19 do not make
        parts = np.array(VALUES[kind], np.complex64).view(np.float32)
        return TensorProto(name="w", data_type=kind, dims=[2], float_data=parts.tolist())
    return helper.make_tensor("w", kind, [2], VALUES[kind])


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("kind", VALUES, ids=TensorProto.DataType.Name)
def test_each_type_is_read(tmp_path: Path, kind: int, raw: bool) -> None:
    dtype = {"FLOAT": "float32", "DOUBLE": "float64"}.get(
        name := TensorProto.DataType.Name(kind), name.lower()
    )
    expected = np.array(VALUES[kind], ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    tensor = typed(kind)
    if raw:
        tensor = TensorProto(name="w", data_type=kind, dims=[2], raw_data=expected.tobytes())
    save(tmp_path / "x.onnx", [tensor])
    found = open_checkpoint(tmp_path / "x.onnx").tensors["w"]
    assert (found.shape, found.dtype) == ((2,), dtype)
    assert payload(found) == expected.tobytes()


def test_metadata_scalars_empty_and_constants(tmp_path: Path) -> None:
    ones = numpy_helper.from_array(np.ones((2, 2), np.float32))
    nodes = [
        helper.make_node("Constant", [], ["weight"], value=ones),
        helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(np.array([1, -1]))),
        helper.make_node("Constant", [], ["number"], value_float=1.0),
    ]
    tensors = [helper.make_tensor("s", TensorProto.FLOAT, [], [2.5]), helper.make_tensor("e", 1, [0, 3], [])]
    tensors.append(helper.make_tensor("names", TensorProto.STRING, [1], [b"cat"]))
    save(tmp_path / "x.onnx", tensors, nodes)
    found = open_checkpoint(tmp_path / "x.onnx")
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        "weight": (2, 2),
        "s": (),
        "e": (0, 3),
    }
    assert {drop.name for drop in found.dropped} == {"shape", "names"}
    assert (found.format, found.runtime, found.metadata) == ("onnx", "onnx", {"model": "resnet18"})
    assert found.producer == "tester"


def external(folder: Path, **entries: Any) -> Path:
    """A model with one tensor w float32[2] in data.bin, its external_data changed."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in ({"location": "data.bin", "offset": 4, "length": 8} | entries).items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    folder.mkdir(exist_ok=True)
    if not (folder / "data.bin").exists():
        (folder / "data.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    save(folder / "x.onnx", [tensor])
    return folder / "x.onnx"


GOOD_EXTERNAL: dict[str, dict[str, Any]] = {
    "plain": {},
    "dot": {"location": "./data.bin"},
    "no length, as ONNX Runtime reads it": {"length": None},
    "sha1": {"checksum": hashlib.sha1(np.arange(4, dtype=np.float32).tobytes()).hexdigest()},
}


@pytest.mark.parametrize("entries", GOOD_EXTERNAL.values(), ids=GOOD_EXTERNAL)
def test_external_data_is_read(tmp_path: Path, entries: dict[str, Any]) -> None:
    path = external(tmp_path / "m", **entries)
    assert open_checkpoint(path).tensors["w"].numpy().tolist() == [1.0, 2.0]


BAD_EXTERNAL: dict[str, tuple[dict[str, Any], str]] = {
    "parent": ({"location": "../secret"}, "outside the model's folder: refused"),
    "inner parent": ({"location": "a/../../secret"}, "outside the model's folder: refused"),
    "absolute": ({"location": "/etc/passwd"}, "expected a path relative"),
    "windows": ({"location": "..\\secret"}, "expected a path relative"),
    "drive": ({"location": "C:secret"}, "expected a path relative"),
    "empty": ({"location": ""}, "expected a path relative"),
    "zero byte": ({"location": "data.bin\0x"}, "expected a path relative"),
    "itself a folder": ({"location": "."}, "is a directory"),
    "missing": ({"location": "none.bin"}, "no such file"),
    "no location": ({"location": None}, "has no location"),
    "unknown key": ({"shell": "x"}, "unknown key 'shell'"),
    "negative offset": ({"offset": -4}, "expected a number from 0 on"),
    "huge offset": ({"offset": 10**30}, "expected a number from 0 on"),
    "outside": ({"offset": 12}, "takes bytes 12 to 20, but the file has 16"),
    "short": ({"length": 4}, "has 4 bytes, but float32.* needs 8"),
    "long": ({"length": 12}, "has 12 bytes, but float32.* needs 8"),
    "length of 0": ({"length": 0}, "has 0 bytes, but float32.* needs 8"),
    "no length, outside": ({"length": None, "offset": 12}, "takes bytes 12 to 20, but the file has 16"),
    "offset after end": ({"length": None, "offset": 999}, "takes bytes 999 to 1,007"),
    "sha1": ({"checksum": "0" * 40}, "SHA-1 of .* is not the one"),
}


@pytest.mark.parametrize(("entries", "message"), BAD_EXTERNAL.values(), ids=BAD_EXTERNAL)
def test_external_data_that_leads_elsewhere(tmp_path: Path, entries: dict[str, Any], message: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    path = external(tmp_path / "m", **entries)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(path)


def link_file(folder: Path, secret: Path) -> str:
    (folder / "link").symlink_to(secret)
    return "link"


def link_folder(folder: Path, secret: Path) -> str:
    (folder / "link").symlink_to(secret.parent)
    return "link/secret"


def link_hard(folder: Path, secret: Path) -> str:
    os.link(secret, folder / "link")
    return "link"


@pytest.mark.parametrize(
    ("make", "message"),
    [(link_file, "symbolic link"), (link_folder, "a link is not followed"), (link_hard, "is a hard link")],
)
def test_links_are_refused(tmp_path: Path, make: Callable[[Path, Path], str], message: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (tmp_path / "m").mkdir()
    path = external(tmp_path / "m", location=make(tmp_path / "m", tmp_path / "secret"))
    with pytest.raises(FormatError, match=message):
        open_checkpoint(path)


def test_overlapping_external_data(tmp_path: Path) -> None:
    tensors = []
    for name, offset in (("a", 0), ("b", 4)):
        tensor = TensorProto(name=name, data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
        for key, value in {"location": "data.bin", "offset": offset, "length": 8}.items():
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
    (tmp_path / "data.bin").write_bytes(bytes(16))
    save(tmp_path / "x.onnx", tensors)
    with pytest.raises(FormatError, match=r"'a' and 'b' overlap in 'data\.bin'"):
        open_checkpoint(tmp_path / "x.onnx")


def test_a_checksum_is_computed_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a thousand tensors in one large file would take hours."""
    stated = hashlib.sha1(bytes(16)).hexdigest()
    tensors = []
    for number in range(50):
        tensor = TensorProto(name=f"w{number}", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
        for key, value in {"location": "data.bin", "length": "16", "checksum": stated}.items():
            tensor.external_data.add(key=key, value=value)
        tensors.append(tensor)
    (tmp_path / "data.bin").write_bytes(bytes(16))
    save(tmp_path / "x.onnx", tensors)
    hashes = []
    real = hashlib.sha1
    monkeypatch.setattr(hashlib, "sha1", lambda *a, **k: (hashes.append(1), real(*a, **k))[1])
    assert len(open_checkpoint(tmp_path / "x.onnx").tensors) == 50
    assert len(hashes) == 1


def raw(**fields: Any) -> Any:
    return TensorProto(**({"name": "w", "data_type": 1, "dims": [2], "raw_data": bytes(8)} | fields))


DAMAGED: dict[str, tuple[list[Any], str]] = {
    "short": ([raw(raw_data=bytes(7))], "needs 8 bytes, its raw_data has 7"),
    "no data": ([raw(raw_data=b"")], "needs 8 bytes, its raw_data has 0|values have 0"),
    "too few values": ([TensorProto(name="w", data_type=7, dims=[3], int64_data=[1, 2])], "2 values or more"),
    "too many values": (
        [TensorProto(name="w", data_type=7, dims=[1], int64_data=[1, 2])],
        "2 values or more; expected 1",
    ),
    "wrong field": ([TensorProto(name="w", data_type=1, dims=[1], int64_data=[1])], "in field 7; expected 4"),
    "negative dim": ([raw(dims=[-2])], "none negative"),
    "absurd": ([raw(dims=[2**62, 2**62])], "absurd shape"),
    "twice": ([raw(), raw()], "'w' is an initializer and was there before"),
    "half external": (
        [raw(external_data=[onnx.StringStringEntryProto(key="location", value="x")])],
        "half external",
    ),
    "both": ([raw(float_data=[1.0, 2.0])], "raw_data and typed data"),
    "segment": ([raw(segment=TensorProto.Segment(begin=0, end=1))], "segment of another"),
}


@pytest.mark.parametrize(("tensors", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_tensors(tmp_path: Path, tensors: list[Any], message: str) -> None:
    save(tmp_path / "x.onnx", tensors)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.onnx")


PACKED = [0, 1, 127, 128, 300, 2**31, 2**62, -1, -(2**63)] * 40_000  # over several chunks, cut inside values


def test_packed_numbers_of_every_length(tmp_path: Path) -> None:
    save(tmp_path / "x.onnx", [helper.make_tensor("w", TensorProto.INT64, [len(PACKED)], PACKED)])
    assert open_checkpoint(tmp_path / "x.onnx").tensors["w"].numpy().tolist() == PACKED


PACKED_DAMAGED = {
    "eleven bytes": (b"\xff" * 10 + b"\x01", "a number is longer than 10 bytes"),
    "ends inside": (b"\x01\x80", "ends inside a number"),
}


@pytest.mark.parametrize(("data", "message"), PACKED_DAMAGED.values(), ids=PACKED_DAMAGED)
def test_damaged_packed_numbers(tmp_path: Path, data: bytes, message: str) -> None:
    tensor = b"\x08\x01\x10\x07\x3a" + bytes([len(data)]) + data
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    (tmp_path / "x.onnx").write_bytes(b"\x08\x08\x3a" + bytes([len(graph)]) + graph)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.onnx")


@pytest.mark.parametrize("percent", range(5, 100, 5))
def test_truncation_is_found(tmp_path: Path, percent: int) -> None:
    save(tmp_path / "x.onnx", [numpy_helper.from_array(np.ones((8, 8), np.float32), "w")])
    data = (tmp_path / "x.onnx").read_bytes()
    (tmp_path / "x.onnx").write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(FormatError, match=r"truncated|has no graph"):
        open_checkpoint(tmp_path / "x.onnx")


def test_a_sparse_initializer_is_refused(tmp_path: Path) -> None:
    model = save(tmp_path / "x.onnx", [raw()])
    model.graph.sparse_initializer.add(dims=[2])
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(FormatError, match="sparse initializer"):
        open_checkpoint(tmp_path / "x.onnx")


def test_weights_alone_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="needs a graph"):
        onnx_format.write(tmp_path / "x.onnx", "onnx", {}, {})


def test_inner_graphs_and_functions_are_said_not_to_be_read(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["v"], ["y"])],
        "then",
        [],
        [],
        [numpy_helper.from_array(np.ones(2), "v")],
    )
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    model = save(tmp_path / "x.onnx", [raw()], nodes)
    model.functions.add(name="f", domain="d")
    onnx.save(model, tmp_path / "x.onnx")
    found = open_checkpoint(tmp_path / "x.onnx")
    assert list(found.tensors) == ["w"]
    assert found.notes == (
        "tensors in the inner graphs of nodes are not read (1 If)",
        "tensors in the model's 1 function are not read",
    )
