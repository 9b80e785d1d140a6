"""Files over 4 GiB (zip64), sparse on the disk, and long lists of tensors."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.checkpoint_samples import array, payload
from triport.converters.formats import (
    ArrayTensor,
    FormatError,
    Tensor,
    file_sha256,
    open_checkpoint,
    unpickle,
    write_checkpoint,
    zip_records,
)
from triport.converters.formats import ckpt as ckpt_format
from triport.converters.formats import pth as pth_format
from triport.converters.formats.atomic import Output
from triport.converters.formats.source import CHUNK_BYTES, SourceFile
from triport.converters.formats.tensors import MAX_TENSORS

ZEROS = bytes(CHUNK_BYTES)


class Zeros(Tensor):
    """4 GiB and a little of zeros."""

    shape, dtype = (2**32 // CHUNK_BYTES + 1, CHUNK_BYTES), "uint8"

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.shape[0]):
            yield ZEROS


@pytest.fixture
def sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave holes for zeros instead of writing them."""
    real = Output._write_all

    def write(self: Output, data: bytes) -> None:
        if bytes(data) == ZEROS:
            os.ftruncate(self._fd, os.lseek(self._fd, len(data), os.SEEK_CUR))
        else:
            real(self, data)

    monkeypatch.setattr(Output, "_write_all", write)


@pytest.mark.slow
def test_pth_over_4_gib(tmp_path: Path, sparse: None) -> None:
    torch = importlib.import_module("torch")
    after = ArrayTensor(array("float32", (100,)))
    path = tmp_path / "x.pth"
    pth_format.write(path, "pytorch", {"zeros": Zeros(), "after": after}, {})
    assert path.stat().st_size > 2**32
    found = open_checkpoint(path).tensors
    assert (found["zeros"].shape, payload(found["after"])) == (Zeros.shape, payload(after))
    loaded = torch.load(path, weights_only=True, mmap=True)
    assert tuple(loaded["zeros"].shape) == Zeros.shape
    np.testing.assert_array_equal(loaded["after"].numpy(), after.array)


@pytest.mark.slow
def test_ckpt_over_4_gib(tmp_path: Path, sparse: None) -> None:
    after = ArrayTensor(array("float32", (100,)))
    path = tmp_path / "x.ckpt"
    ckpt_format.write(path, "mindspore", {"zeros": Zeros(), "after": after}, {})
    found = open_checkpoint(path).tensors
    assert len(found["zeros"].ranges) == 9  # type: ignore[attr-defined]
    assert payload(found["after"]) == payload(after)


@pytest.mark.slow
def test_slices_of_512_mib_are_byte_identical(tmp_path: Path) -> None:
    mindspore = importlib.import_module("mindspore")
    values = np.arange(2**29 // 4 + 1000, dtype=np.int32)
    mindspore.save_checkpoint(
        [{"name": "w", "data": mindspore.Tensor(values)}], str(tmp_path / "theirs.ckpt")
    )
    write_checkpoint(tmp_path / "ours.ckpt", "mindspore", {"w": ArrayTensor(values)})
    found = open_checkpoint(tmp_path / "theirs.ckpt").tensors["w"]
    assert [length for _, length in found.ranges] == [2**29, 4000]  # type: ignore[attr-defined]
    assert file_sha256(tmp_path / "ours.ckpt") == file_sha256(tmp_path / "theirs.ckpt")


@pytest.mark.slow
def test_more_records_than_a_plain_zip_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    tensors: dict[str, Tensor] = {f"t{i}": ArrayTensor(np.float32(i).reshape(())) for i in range(66_000)}
    path = tmp_path / "x.pth"
    pth_format.write(path, "pytorch", tensors, {})
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 66_005
    with pytest.raises(FormatError, match=r"has 66,005 zip records; expected at most 20,000 tensors"):
        open_checkpoint(path)
    # the count is read where zip64 keeps it, and everything behind it
    for name, limit in ((zip_records, "MAX_TENSORS"), (unpickle, "MAX_STEPS")):
        monkeypatch.setattr(name, limit, 10 * getattr(name, limit))
    found = open_checkpoint(path).tensors
    assert payload(found["t65999"]) == payload(tensors["t65999"])


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".safetensors"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    """A conversion of 64 MiB needs little more than the interpreter."""
    import subprocess
    import sys

    write_checkpoint(tmp_path / "a.ckpt", "mindspore", {"w": ArrayTensor(array("float32", (2**24,)))})
    script = (
        "import sys; from triport.converters.formats import *\n"
        "c = open_checkpoint(sys.argv[1])\n"
        "runtime = 'pytorch' if sys.argv[2].endswith('pth') else 'mindspore'\n"
        "write_checkpoint(sys.argv[2], runtime, c.tensors)\n"
        # not ru_maxrss, which a child inherits from this process
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "a.ckpt"), str(tmp_path / f"b{suffix}")]
    root = Path(__file__).parents[2]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=root, check=True)
    assert int(done.stdout) < 40_000


@pytest.mark.slow
def test_onnx_over_2_gib(tmp_path: Path) -> None:
    """A protobuf cannot be larger: the weights lie beside it, sparse here."""
    from onnx import TensorProto, helper

    last = array("float32", (1000,))
    shapes: dict[str, tuple[int, ...]] = {"big": (600, 1024, 1024), "last": (1000,)}
    tensors = []
    position = 0
    for name, shape in shapes.items():
        tensor = TensorProto(name=name, data_type=1, dims=shape, data_location=TensorProto.EXTERNAL)
        length = 4 * int(np.prod(shape))
        for key, value in {"location": "x.data", "offset": position, "length": length}.items():
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
        position += length
    with (tmp_path / "x.data").open("wb") as data:
        data.truncate(position)
        data.seek(position - last.nbytes)
        data.write(last.tobytes())
    assert position > 2**31
    model = helper.make_model(helper.make_graph([], "g", [], [], tensors))
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    found = open_checkpoint(tmp_path / "x.onnx").tensors
    assert payload(found["last"]) == last.tobytes()
    assert found["big"].nbytes > 2**31
    assert not any(any(chunk) for chunk in found["big"].chunks())


HEADERS = {
    "lists": b'{"a":[' + b"[]," * 4_000_000 + b"[]]}",
    "tables": b'{"a":[' + b"{}," * 4_000_000 + b"{}]}",
    "texts": b'{"a":[' + b'"ab",' * 2_000_000 + b'"ab"]}',
    "numbers": b'{"a":[' + b"123456789," * 1_200_000 + b"1]}",
    "large": b'{"a":"' + b"x" * 20_000_000 + b'"}',
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_hostile_header_is_refused_before_it_is_parsed(
    tmp_path: Path, header: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from triport.converters.formats import FormatError

    def parsed(*_: object, **__: object) -> None:
        raise AssertionError("the header became objects")

    monkeypatch.setattr(json, "loads", parsed)
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(FormatError, match=r"header has (more parts|[\d,]+ bytes)"):
        open_checkpoint(tmp_path / "x.safetensors")


def test_as_many_tensors_as_may_be_are_read(tmp_path: Path) -> None:
    tensors: dict[str, Tensor] = {
        f"model.layers.{i}.self_attn.q_proj.weight": ArrayTensor(np.ones((1, 1, 1, 1), np.int8))
        for i in range(MAX_TENSORS)
    }
    write_checkpoint(tmp_path / "x.safetensors", "pytorch", tensors)
    assert len(open_checkpoint(tmp_path / "x.safetensors").tensors) == MAX_TENSORS


LAYOUTS = {
    "columns": lambda torch, w: w[:, :7],
    "every other row": lambda torch, w: w[::2],
    "one column": lambda torch, w: w[:, 3],
    "transposed": lambda torch, w: w.t(),
    "channels last": lambda torch, w: w.view(30, 20, 50, 40).to(memory_format=torch.channels_last),
    "inner": lambda torch, w: w.view(30, 20, 50, 40)[:, 3:9, 1:, ::3],
    "outer": lambda torch, w: w.view(4, 300, 1000)[1:3, :, 5:995],
    "permuted": lambda torch, w: w.view(30, 20, 50, 40).permute(2, 0, 3, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_views_are_read_in_pieces(tmp_path: Path, layout: Any) -> None:
    torch = importlib.import_module("torch")
    whole = torch.from_numpy(array("float32", (1200, 1000)))
    view = layout(torch, whole)
    assert not view.is_contiguous()
    torch.save({"w": view}, tmp_path / "x.pth")
    found = open_checkpoint(tmp_path / "x.pth").tensors["w"]
    pieces = list(found.chunks())
    assert b"".join(pieces) == view.contiguous().numpy().tobytes()
    assert max(map(len, pieces)) <= CHUNK_BYTES


@pytest.mark.parametrize("layout", ["columns", "one column", "every other row", "outer"])
def test_rows_in_order_never_need_the_whole_view(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = importlib.import_module("torch")
    torch.save({"w": LAYOUTS[layout](torch, torch.zeros(1200, 1000))}, tmp_path / "x.pth")
    found = open_checkpoint(tmp_path / "x.pth").tensors["w"]
    sizes = []
    real = SourceFile.read
    monkeypatch.setattr(
        SourceFile, "read", lambda self, offset, size: (sizes.append(size), real(self, offset, size))[1]
    )
    list(found.chunks())
    assert max(sizes) <= CHUNK_BYTES
