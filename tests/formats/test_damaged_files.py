"""Damage that the frameworks' own loaders accept is found, and each message says what it is."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.formats.checkpoint_samples import array, payload
from triport.converters.formats import ArrayTensor, FormatError, Tensor, open_checkpoint, write_checkpoint
from triport.converters.formats.wire import varint


def field(number: int, payload: bytes | str) -> bytes:
    raw = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def record(tag: str, dims: list[int], kind: str, content: bytes) -> bytes:
    inner = b"".join(b"\x08" + varint(dim % 2**64) for dim in dims) + field(2, kind) + field(3, content)
    return field(1, field(1, tag) + field(2, inner))


GOOD = record("a", [2], "Float32", bytes(8))
CKPT = {
    "too short": (record("a", [2], "Float32", bytes(7)), "needs 8 bytes, its content has 7: too short"),
    "too long": (record("a", [2], "Float32", bytes(9)), "needs 8 bytes, its content has 9: too long"),
    "duplicate": (GOOD + record("b", [], "Float32", bytes(4)) + GOOD, "'a' comes twice"),
    "repeated": (GOOD + GOOD, "its content has 16: too long"),
    "slices differ": (GOOD + record("a", [3], "Float32", bytes(4)), "'a' comes twice"),
    "unknown type": (record("a", [2], "Float33", bytes(8)), "has type 'Float33'; expected one of Bool"),
    "negative dim": (record("a", [-1, -2], "Float32", bytes(8)), "none negative"),
    "absurd dims": (record("a", [2**62, 2**62], "Float32", bytes(8)), "absurd shape"),
    "absurd with zero": (record("a", [2**62, 2**62, 0], "Float32", b""), "absurd shape"),
    "rank": (record("a", [1] * 33, "Float32", bytes(4)), "33 dimensions"),
    "rank over 64": (record("a", [1] * 65, "Float32", bytes(4)), "more than 64 dims"),
    "no content": (field(1, field(1, "a") + field(2, b"\x08\x02" + field(2, "Float32"))), "has no content"),
    "no tag": (GOOD + field(1, field(2, b"")), "has no tag"),
    "map parameter": (field(1, field(1, "a") + field(3, b"")), "'a' is a MapParameter"),
    "trailing": (GOOD + b"\x00\x00", "bytes are 0 and belong to nothing"),
    "inside a length": (GOOD + b"\x0a\xff", "ends inside a number"),
    "wire type": (GOOD + b"\x0b", "wire type 3"),
    "tag not UTF-8": (GOOD + field(1, field(1, b"\xff\xfe") + field(2, b"")), "not UTF-8"),
    "short trailer": (GOOD + b"crc_num\0\0", "9 bytes follow the last record"),
    "wrong crc": (GOOD + b"crc_num" + bytes(10), "CRC-32 is 0x.* but the file states 0x00000000"),
    "AES-GCM": (struct.pack("<I", 0x7F3A5ED8) + bytes(99), "encrypted MindSpore checkpoint .AES-GCM"),
    "AES-CBC": (struct.pack("<I", 0x7F3A5ED9) + bytes(99), "encrypted MindSpore checkpoint .AES-CBC"),
    "SM4-CBC": (struct.pack("<I", 0x7F3A5EDA) + bytes(99), "encrypted MindSpore checkpoint .SM4-CBC"),
}


@pytest.mark.parametrize(("content", "message"), CKPT.values(), ids=CKPT)
def test_damaged_ckpt(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(path)


def test_the_records_of_the_damaged_are_else_right(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(GOOD + record("b", [0], "Float32", bytes(4)) + record("c", [2, 0], "Int8", b""))
    found = open_checkpoint(path).tensors
    assert {name: tensor.shape for name, tensor in found.items()} == {"a": (2,), "b": (), "c": (2, 0)}


def test_slices_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    data = bytes(range(16))
    path.write_bytes(record("a", [4], "Int32", data[:5]) + record("a", [4], "Int32", data[5:]))
    assert payload(open_checkpoint(path).tensors["a"]) == data


@pytest.mark.parametrize("crc", [False, True])
def test_large_tensors_are_sliced_as_mindspore_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crc: bool
) -> None:
    monkeypatch.setattr("triport.converters.formats.ckpt.SLICE_BYTES", 100_000)
    tensor = ArrayTensor(array("float32", (60_000,)))
    write_checkpoint(tmp_path / "x.ckpt", "mindspore", {"w": tensor}, crc=crc)
    found = open_checkpoint(tmp_path / "x.ckpt").tensors["w"]
    assert [length for _, length in found.ranges] == [100_000, 100_000, 40_000]  # type: ignore[attr-defined]
    assert payload(found) == payload(tensor)


def header(entries: dict[str, Any], data: bytes = bytes(8)) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


SAFETENSORS = {
    "overlap": (header({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "'b' overlaps"),
    "same range": (header({"a": entry(), "b": entry()}), "'b' overlaps"),
    "gap": (header({"a": entry(offsets=(8, 16))}, bytes(16)), "leaves 8 bytes unused"),
    "outside": (header({"a": entry()}, bytes(7)), "but the file has"),
    "reversed": (header({"a": entry(offsets=(8, 0))}), "data_offsets give -8"),
    "negative": (header({"a": entry(offsets=(-8, 0))}), "no whole numbers"),
    "size": (header({"a": entry(shape=(3,))}), "needs 12 bytes, its data_offsets give 8"),
    "float shape": (header({"a": entry(shape=(2.0,))}), "no whole numbers"),
    "bool shape": (header({"a": entry(dtype="U8", shape=(True,), offsets=(0, 1))}, b"1"), "no whole numbers"),
    "absurd": (header({"a": entry(shape=(2**40, 2**40))}), "absurd shape"),
    "dtype": (header({"a": entry(dtype="F4")}), "dtype 'F4'; expected one of"),
    "extra key": (header({"a": entry() | {"x": 1}}), "states 'x' too"),
    "no object": (header({"a": 3}), "has not dtype"),
    "duplicate": (
        (lambda text: len(text).to_bytes(8, "little") + text + bytes(8))(b'{"a":1,"a":2}'),
        "'a' comes twice",
    ),
    "nested": (
        (lambda text: len(text).to_bytes(8, "little") + text)(b'{"a":' + b"[" * 100_000),
        "header is nested deeper",
    ),
    "huge number": (
        (lambda text: len(text).to_bytes(8, "little") + text)(b'{"a":' + b"9" * 100_000 + b"}"),
        "header is no JSON",
    ),
    "header outside": ((10**6).to_bytes(8, "little") + b"{}", "the safetensors header takes bytes"),
    "metadata": (header({"__metadata__": {"a": 1}, "w": entry()}), "__metadata__ is not a table of texts"),
    "int4": (header({"__metadata__": {"format": "ms", "w": "Int4"}, "w": entry()}), "MindSpore's int4"),
    "redundancy": (
        header({"__metadata__": {"format": "ms", "remove_redundancy": "True"}, "w": entry()}),
        "one rank's part",
    ),
    "crc": (header({"__metadata__": {"format": "ms", "crc_num": "1"}, "w": entry()}), "the file states 1"),
}


@pytest.mark.parametrize(("content", "message"), SAFETENSORS.values(), ids=SAFETENSORS)
def test_damaged_safetensors(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(path)


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
@pytest.mark.parametrize("seed", range(5))
def test_changed_payload_bytes_are_found(tmp_path: Path, suffix: str, seed: int) -> None:
    """Every changed bit of a payload in a file with checksums is an error, at the latest when it is read."""
    tensors: dict[str, Tensor] = {"w": ArrayTensor(array("float32", (50,)))}
    path = tmp_path / f"x{suffix}"
    runtime, options = ("pytorch", {}) if suffix == ".pth" else ("mindspore", {"crc": True})
    write_checkpoint(path, runtime, tensors, **options)
    data = bytearray(path.read_bytes())
    start = data.find(payload(tensors["w"]))
    for position in range(start + seed, start + 200, 5):
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        with pytest.raises(FormatError, match="CRC-32"):
            payload(open_checkpoint(path).tensors["w"])
        data[position] ^= 1 << position % 8


def test_a_view_of_a_damaged_record_is_found(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.arange(100.0)[:10]}, tmp_path / "x.pth")
    data = bytearray((tmp_path / "x.pth").read_bytes())
    data[data.find(struct.pack("<2f", 98, 99))] ^= 1
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(FormatError, match="CRC-32 of record 'x/data/0'"):
        payload(open_checkpoint(tmp_path / "x.pth").tensors["w"])


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "directory": (lambda path: path.mkdir(), "is a directory"),
    "text": (
        lambda path: path.write_text("hello world, not weights"),
        "no known format .it starts with 68 65",
    ),
    "one byte": (lambda path: path.write_bytes(b"\x80"), "no known format"),
    "picture": (
        lambda path: path.write_bytes(b"\xfe\xd8\xff\xe0" * 9),
        "known are ckpt, onnx, pth, safetensors",
    ),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "no such file"),
}


@pytest.mark.parametrize(("make", "message"), FILES.values(), ids=FILES)
def test_what_is_no_checkpoint_is_said(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "x.pth")
    with pytest.raises(FormatError, match=message):
        open_checkpoint(tmp_path / "x.pth")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        open_checkpoint(tmp_path / "pipe")


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_is_an_error_or_harmless(tmp_path: Path, small: dict[str, Tensor], seed: int) -> None:
    """Whatever bytes change, a reader raises FormatError or gives tensors of the stated size."""
    chooser = random.Random(seed)
    name, runtime = chooser.choice(
        [("x.pth", "pytorch"), ("x.ckpt", "mindspore"), ("x.safetensors", "pytorch")]
    )
    path = tmp_path / name
    write_checkpoint(path, runtime, small)
    good = path.read_bytes()
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chooser.choice((1, 1, 2, 4))):
            position = chooser.randrange(len(data))
            if chooser.random() < 0.7:
                data[position] = chooser.randrange(256)
            else:
                del data[position : position + chooser.choice((1, 4, 16))]
        path.write_bytes(data)
        try:
            found = open_checkpoint(path)
            for tensor in found.tensors.values():
                assert len(payload(tensor)) == tensor.nbytes
        except FormatError as error:
            assert str(path) in str(error)
