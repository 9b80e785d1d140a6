"""Attacks by their published numbers, each against the reader that would have met it.

Each has the shape that its advisory describes (GitHub Advisory Database, NVD); versions are those that it
gives as mended. The general cases are in test_malicious_files.py and test_onnx_reading.py.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper

from tests.formats.test_malicious_files import make_pth, tensor_pickle, text
from triport.converters.formats import FormatError, open_checkpoint, write_checkpoint
from triport.converters.formats.wire import varint


def legacy_tar(folder: Path) -> Path:
    """CVE-2025-32434 (torch 2.6.0): torch.load(weights_only=True) ran code.

    Since 2.6.0 weights_only refuses the .tar of torch before 0.1.10, whose members went to plain pickle
    (github.com/pytorch/pytorch/pull/145020).
    """
    with tarfile.open(folder / "x.pth", "w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = b"cos\nsystem\n(S'touch pwned'\ntR."
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return folder / "x.pth"


def items_of_a_tensor(folder: Path) -> Path:
    """CVE-2026-24747 (torch 2.10.0): SETITEM on what is no dict corrupts the heap, despite weights_only."""
    good = tensor_pickle("0", 6, 0, (6,), (1,))
    tensor = good[len(b"\x80\x02}(") + len(text("w")) : -2]
    make_pth(folder / "x.pth", b"\x80\x02" + tensor + b"K\x00K\x01s.")
    return folder / "x.pth"


def many_items_of_a_tensor(folder: Path) -> Path:
    """CVE-2026-24747 (torch 2.10.0): the same by SETITEMS."""
    good = tensor_pickle("0", 6, 0, (6,), (1,))
    tensor = good[len(b"\x80\x02}(") + len(text("w")) : -2]
    make_pth(folder / "x.pth", b"\x80\x02" + tensor + b"(K\x00K\x01K\x02K\x01u.")
    return folder / "x.pth"


def storage_that_is_too_short(folder: Path) -> Path:
    """CVE-2026-24747 (torch 2.10.0): the pickle states more elements than the record holds."""
    make_pth(folder / "x.pth", tensor_pickle("0", 2**40, 0, (2**40,), (1,)))
    return folder / "x.pth"


def zip_bomb(folder: Path) -> Path:
    """A megabyte that torch.load expands to 1.27 GB."""
    make_pth(
        folder / "x.pth",
        tensor_pickle("0", 50_000_000, 0, (50_000_000,), (1,)),
        bytes(200_000_000),
        compression=zipfile.ZIP_DEFLATED,
    )
    return folder / "x.pth"


def stride_zero(folder: Path) -> Path:
    """An expanded view: 24 bytes that are 4 TB when copied."""
    make_pth(folder / "x.pth", tensor_pickle("0", 6, 0, (2**40,), (0,)))
    return folder / "x.pth"


def deep_protobuf(folder: Path) -> Path:
    """CVE-2025-4565 (protobuf 6.31.1): a series of SGROUP tags ends the pure-Python backend's recursion."""
    (folder / "x.onnx").write_bytes(b"\x08\x08" + b"\x3b" * 200_000)
    return folder / "x.onnx"


def onnx_with(folder: Path, **entries: str) -> Path:
    """A model whose one tensor lies in a file; a secret lies outside the model's folder."""
    (folder / "secret").write_bytes(bytes(16))
    inner = folder / "model"
    inner.mkdir(exist_ok=True)
    tensor = TensorProto(name="w", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in ({"location": "data.bin", "length": "8"} | entries).items():
        tensor.external_data.add(key=key, value=value)
    if not (inner / "data.bin").exists():
        (inner / "data.bin").write_bytes(bytes(16))
    model: ModelProto = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    (inner / "x.onnx").write_bytes(model.SerializeToString())
    return inner / "x.onnx"


def onnx_parent(folder: Path) -> Path:
    """CVE-2022-25882 (onnx 1.13.0): location leads out of the folder by `..`."""
    return onnx_with(folder, location="../secret")


def onnx_parent_disguised(folder: Path) -> Path:
    """CVE-2024-27318 (onnx 1.16.0): the same behind a first part, where only the start was looked at."""
    return onnx_with(folder, location="x/../../secret")


def onnx_absolute(folder: Path) -> Path:
    """GHSA-q56x-g2fj-4rj6 (onnx 1.21.0): an absolute path, which a join takes instead of the folder."""
    return onnx_with(folder, location=str(folder / "secret"))


def onnx_link(folder: Path) -> Path:
    """CVE-2026-34447 (onnx 1.21.0): a symbolic link beside the model was followed."""
    (folder / "model").mkdir()
    (folder / "model" / "data.bin").symlink_to(folder / "secret")
    return onnx_with(folder)


def onnx_linked_folder(folder: Path) -> Path:
    """CVE-2026-27489 (onnx 1.21.0): a linked folder on the way; only the last part was looked at."""
    (folder / "model").mkdir()
    (folder / "model" / "sub").symlink_to(folder)
    return onnx_with(folder, location="sub/secret")


def onnx_hard_link(folder: Path) -> Path:
    """CVE-2026-34446 (onnx 1.21.0): a hard link looks like the file itself."""
    (folder / "model").mkdir()
    (folder / "secret").write_bytes(bytes(16))
    os.link(folder / "secret", folder / "model" / "data.bin")
    return onnx_with(folder)


def onnx_attribute(folder: Path) -> Path:
    """CVE-2026-34445 (onnx 1.21.0): any key of external_data was set as an attribute of the loader."""
    return onnx_with(folder, __class__="x")


def onnx_huge(folder: Path) -> Path:
    """CVE-2026-34445 (onnx 1.21.0): a length that fills the memory; and one that is not the tensor's."""
    return onnx_with(folder, length=str(2**50))


ATTACKS: dict[Callable[[Path], Path], str] = {
    legacy_tar: r"sys_info calls os\.system",
    items_of_a_tensor: "cannot be followed at opcode 0x73",
    many_items_of_a_tensor: "cannot be followed at opcode 0x75",
    storage_that_is_too_short: "its storage has .* but the file holds 24",
    zip_bomb: "is compressed",
    stride_zero: "the same stored values many times",
    deep_protobuf: "no known format|truncated|wire type 3",
    onnx_parent: "outside the model's folder: refused",
    onnx_parent_disguised: "outside the model's folder: refused",
    onnx_absolute: "expected a path relative",
    onnx_link: "symbolic link",
    onnx_linked_folder: "a link is not followed",
    onnx_hard_link: "is a hard link",
    onnx_attribute: "unknown key '__class__'",
    onnx_huge: "needs 8",
}


@pytest.mark.parametrize(("attack", "message"), ATTACKS.items(), ids=[attack.__name__ for attack in ATTACKS])
def test_an_attack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: Callable[[Path], Path], message: str
) -> None:
    path = attack(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=message):
        open_checkpoint(path)
    assert not (tmp_path / "pwned").exists()


def test_nothing_is_written_where_a_tensors_name_says(tmp_path: Path) -> None:
    """CVE-2025-51480 (in onnx 1.17.0): save_external_data overwrote any file that a location names.

    Names are never paths here, and no location is written to: one output file, nothing beside it.
    """
    import numpy as np

    from triport.converters.formats import ArrayTensor

    (tmp_path / "a").mkdir()
    write_checkpoint(tmp_path / "a" / "x.pth", "pytorch", {"../../evil": ArrayTensor(np.ones(2))})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "x.pth"]


def test_messages_may_nest_without_end(tmp_path: Path) -> None:
    """CVE-2025-4565 (protobuf 6.31.1): recursive messages. Inner graphs are told and not entered."""

    def field(number: int, payload: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(payload)) + payload

    graph = b""
    for _ in range(3000):
        node = field(2, b"y") + field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph))
        graph = field(1, node)
    (tmp_path / "x.onnx").write_bytes(b"\x08\x08" + field(7, graph))
    found = open_checkpoint(tmp_path / "x.onnx")
    assert (found.tensors, found.notes) == ({}, ("tensors in the inner graphs of nodes are not read (1 If)",))


def test_a_pickle_of_globals_only_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denylist scanners miss names. Here a name is only text, whichever it is; a call of it is refused."""
    monkeypatch.chdir(tmp_path)
    pickled = b"\x80\x02}(" + text("w") + b"cantigravity\nopen\nu."
    make_pth(tmp_path / "x.pth", pickled)
    with pytest.raises(FormatError, match=r"no state dict|no tensor"):
        open_checkpoint(tmp_path / "x.pth")
