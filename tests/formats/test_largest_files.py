"""The most tensors and fields that a file may have are read in under a second of a free core."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from triport.converters.formats import ArrayTensor, FormatError, open_checkpoint, write_checkpoint
from triport.converters.formats.tensors import MAX_TENSORS
from triport.converters.formats.wire import _MAX_FIELDS, varint

LIMIT_S = 2.0  # CPU time counts double where a core is shared


def field(number: int, data: bytes) -> bytes:
    """Return a protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def seconds_to_open(path: Path) -> tuple[float, int]:
    """Return the CPU time that reading a file takes, and how many tensors it has."""
    start = time.process_time()
    count = len(open_checkpoint(path).tensors)
    return time.process_time() - start, count


@pytest.mark.parametrize(
    ("runtime", "suffix"), [("mindspore", ".ckpt"), ("pytorch", ".pth"), ("pytorch", ".safetensors")]
)
def test_a_file_of_the_most_tensors(tmp_path: Path, runtime: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    # a .pth has six more records than tensors
    tensors = {f"layer{i}.weight": ArrayTensor(np.ones(1, np.float32)) for i in range(MAX_TENSORS - 6)}
    write_checkpoint(path, runtime, tensors)
    seconds, count = seconds_to_open(path)
    assert count == MAX_TENSORS - 6
    assert seconds < LIMIT_S


def test_a_tensor_too_many(tmp_path: Path) -> None:
    record = b"".join(
        field(1, field(1, b"w%d" % i) + field(2, b"\x08\x01" + field(2, b"Int8") + field(3, b"a")))
        for i in range(MAX_TENSORS + 1)
    )
    (tmp_path / "x.ckpt").write_bytes(record)
    with pytest.raises(FormatError, match=f"has more than {MAX_TENSORS:,} tensors"):
        open_checkpoint(tmp_path / "x.ckpt")
    entries = {
        f"w{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(MAX_TENSORS + 1)
    }
    header = json.dumps(entries, separators=(",", ":")).encode()
    (tmp_path / "x.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(MAX_TENSORS + 1)
    )
    with pytest.raises(FormatError, match=f"has {MAX_TENSORS + 1:,} tensors; expected at most"):
        open_checkpoint(tmp_path / "x.safetensors")
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        for i in range(MAX_TENSORS + 1):
            archive.writestr(f"x/data/{i}", b"a")
    start = time.process_time()
    with pytest.raises(FormatError, match=f"has {MAX_TENSORS + 1:,} zip records"):
        open_checkpoint(tmp_path / "x.pth")
    assert time.process_time() - start < 0.5


def one_by_one(data_type: int, value: bytes) -> bytes:
    """Return a graph with a tensor that has each value in a field of its own."""
    count = _MAX_FIELDS - 100
    header = b"\x08" + varint(count) + b"\x10" + varint(data_type) + field(8, b"w")
    return field(5, header + value * count)


# graphs of nearly as many fields as may be
MANY_FIELDS = {
    "values one by one": one_by_one(1, b"\x25abcd"),
    "numbers one by one": one_by_one(7, b"\x38\x01"),
    "packed numbers": field(
        5, b"\x08" + varint(6_000_000) + b"\x10\x07" + field(8, b"w") + field(7, b"\x01" * 6_000_000)
    ),
    "nodes": b"\x0a\x05\x22\x03Add" * (_MAX_FIELDS // 2 - 100),
    "Constant nodes": b"".join(
        field(1, field(2, b"c%d" % i) + b"\x22\x08Constant" + b"\x2a\x0c\x2a\x0a\x08\x01\x10\x01\x4a\x04abcd")
        for i in range(MAX_TENSORS)
    ),
}


@pytest.mark.parametrize("graph", MANY_FIELDS.values(), ids=MANY_FIELDS)
def test_a_graph_of_the_most_fields(tmp_path: Path, graph: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\x08\x08" + field(7, graph))
    assert seconds_to_open(tmp_path / "x.onnx")[0] < LIMIT_S
