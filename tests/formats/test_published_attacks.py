"""Attacks by their published numbers, each against the reader that would have met it.

The general cases are in test_malicious_files.py and test_onnx_reading.py.
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

from converters.formats import FormatError, open_checkpoint, write_checkpoint
from tests.formats.test_malicious_files import make_pth, tensor_pickle, text


def legacy_tar(folder: Path) -> Path:
    """CVE-2025-32434: torch.load(weights_only=True) unpickled the members of an old tar with plain pickle."""
    with tarfile.open(folder / "x.pth", "w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = b"cos\nsystem\n(S'touch pwned'\ntR."
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return folder / "x.pth"


def items_of_a_tensor(folder: Path) -> Path:
    """CVE-2026-24747: SETITEM on what is no dict, in the unpickler of weights_only."""
    good = tensor_pickle("0", 6, 0, (6,), (1,))
    make_pth(folder / "x.pth", good[:-2] + b"h\x00K\x00K\x01su.")
    tensor = good[len(b"\x80\x02}(") + len(text("w")) : -2]
    make_pth(folder / "x.pth", b"\x80\x02" + tensor + b"K\x00K\x01s.")
    return folder / "x.pth"


def storage_that_is_too_short(folder: Path) -> Path:
    """CVE-2026-24747: the pickle states more elements than the record holds."""
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
    """CVE-2025-4565: groups nested so deep that a recursive reader ends the process."""
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
    """CVE-2022-25882: location leads out of the folder by `..`."""
    return onnx_with(folder, location="../secret")


def onnx_parent_disguised(folder: Path) -> Path:
    """CVE-2024-27318: the same behind a first part that a simple check accepts."""
    return onnx_with(folder, location="x/../../secret")


def onnx_absolute(folder: Path) -> Path:
    """CVE-2024-27318: an absolute path."""
    return onnx_with(folder, location=str(folder / "secret"))


def onnx_link(folder: Path) -> Path:
    """CVE-2026-27489 and CVE-2026-34447: a symbolic link beside the model."""
    (folder / "model").mkdir()
    (folder / "model" / "data.bin").symlink_to(folder / "secret")
    return onnx_with(folder)


def onnx_linked_folder(folder: Path) -> Path:
    """CVE-2026-27489: a symbolic link on the way to the file."""
    (folder / "model").mkdir()
    (folder / "model" / "sub").symlink_to(folder)
    return onnx_with(folder, location="sub/secret")


def onnx_hard_link(folder: Path) -> Path:
    """CVE-2026-34446: a hard link to any file on the same disk."""
    (folder / "model").mkdir()
    (folder / "secret").write_bytes(bytes(16))
    os.link(folder / "secret", folder / "model" / "data.bin")
    return onnx_with(folder)


def onnx_attribute(folder: Path) -> Path:
    """CVE-2026-34445: keys of external_data become attributes of the loader's object."""
    return onnx_with(folder, __class__="x")


def onnx_huge(folder: Path) -> Path:
    """A length that is not the tensor's, which onnx_ir ignores."""
    return onnx_with(folder, length=str(2**50))


ATTACKS: dict[Callable[[Path], Path], str] = {
    legacy_tar: "is a tar",
    items_of_a_tensor: "cannot be followed at opcode 0x73",
    storage_that_is_too_short: "its storage has .* but the file holds 24",
    zip_bomb: "is compressed",
    stride_zero: "more than once",
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
    """CVE-2025-51480: onnx.save wrote outside the folder, to a location that the model names.

    Names are never paths here: one output file, nothing beside it.
    """
    import numpy as np

    from converters.formats import ArrayTensor

    (tmp_path / "a").mkdir()
    write_checkpoint(tmp_path / "a" / "x.pth", "pytorch", {"../../evil": ArrayTensor(np.ones(2))})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "x.pth"]


def test_a_pickle_of_globals_only_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denylist scanners miss names. Here a name is only text, whichever it is; a call of it is refused."""
    monkeypatch.chdir(tmp_path)
    pickled = b"\x80\x02}(" + text("w") + b"cantigravity\nopen\nu."
    make_pth(tmp_path / "x.pth", pickled)
    with pytest.raises(FormatError, match=r"no state dict|no tensor"):
        open_checkpoint(tmp_path / "x.pth")
