"""Where outputs go: paths that are none, pipes, links and folders that are not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.field.digits_weights import digits
from triport.converters.formats import ArrayTensor, FormatError, write_checkpoint
from triport.parity.imported.convert import convert_to_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.pth"
    write_checkpoint(path, "pytorch", {name: ArrayTensor(array) for name, array in digits().items()})
    return path


@pytest.mark.field(
    case="an output behind a folder that is not there: -o nowhere/../x.pth",
    source="found by an adversary: it is no path to the system, but was one to what wrote, over the input",
    outcome="Refused before any work; the input stays as it was.",
)
@pytest.mark.parametrize("option", ["--output", "--json"])
def test_no_way_through_a_missing_folder(source: Path, run_cli: Any, option: str) -> None:
    before = source.read_bytes()
    path = source.parent / "nowhere" / ".." / "x.pth"
    result = run_cli("convert", source, "--to", "pytorch", option, path)
    assert result.exit_code == 2
    assert "does not exist; make it first" in result.stderr
    assert source.read_bytes() == before
    assert sorted(source.parent.iterdir()) == [source]


@pytest.mark.field(
    case="a report into what standard output is: --json /dev/stdout",
    source="found by an adversary: the work was done, and its report then could not be written",
    outcome="Refused before the work begins, where it is a pipe.",
)
def test_a_pipe_by_its_device(source: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    monkeypatch.setattr("triport.commands.inspect.inspect.callback", lambda **_: begun.append(True))
    reader, writer = os.pipe()
    try:
        result = run_cli("inspect", source, "--json", f"/dev/fd/{writer}")
    finally:
        os.close(reader)
        os.close(writer)
    assert result.exit_code == 2
    assert "is not a regular file" in result.stderr
    assert not begun


@pytest.mark.field(
    case="an output on a disk that is mounted for reading only",
    source="found by trying: it was called a want of permission, with the advice to remove the file",
    outcome="Said as what it is, before any work.",
)
@pytest.mark.parametrize("is_there", [False, True])
def test_a_disk_mounted_for_reading(
    source: Path, is_there: bool, run_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def read_only(path: Any) -> Any:
        values = list(real(path))
        values[8] |= os.ST_RDONLY
        return os.statvfs_result(values)

    output = source.with_suffix(".ckpt")
    if is_there:
        output.write_bytes(b"old")
    monkeypatch.setattr(os, "statvfs", read_only)
    result = run_cli("convert", source, "--to", "mindspore", "-o", output)
    assert result.exit_code == 2
    assert "mounted for reading only" in result.stderr
    assert "permission" not in result.stderr
    assert output.read_bytes() == b"old" if is_there else not output.exists()


@pytest.mark.field(
    case="a disk that fills up while a graph's source, weights and page are written",
    source="found by an adversary: the page and the source were new, the weights old, and a new folder empty",
    outcome="All are written before the first takes its place; a folder that was made goes away.",
)
@pytest.mark.parametrize("is_there", [False, True])
def test_files_that_belong_together(tmp_path: Path, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    output, page = tmp_path / "net", tmp_path / "page.html"
    old = {page: b"old page"}
    if is_there:
        output.mkdir()
        old |= {output / "x.py": b"old source", output / "x.safetensors": b"old weights"}
    for path, data in old.items():
        path.write_bytes(data)

    def copied(given: Any, to: Path) -> None:
        if str(given).endswith(".safetensors"):
            raise OSError(errno.ENOSPC, "No space left on device", os.fspath(to))
        to.write_bytes(b"new")

    monkeypatch.setattr("triport.parity.imported.convert.shutil.copyfile", copied)
    monkeypatch.setattr("triport.parity.imported.convert.page_of", lambda *_: "new page")
    proven = SimpleNamespace(is_equal=True)
    monkeypatch.setattr("triport.parity.imported.convert.imported", lambda *_: (None, proven))
    with pytest.raises(FormatError, match="the disk is full; nothing was written there"):
        convert_to_source(tmp_path / "x.onnx", output, "pytorch", name="x", report=page)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == old
    assert output.exists() == is_there


@pytest.mark.field(
    case="a disk for temporary files that fills up",
    source="found by an adversary: a limit of the file size said 'File too large', and of no file",
    outcome="Said with where room is wanted.",
)
def test_no_room_for_temporary_files(source: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr("triport.commands.inspect.inspect.callback", full)
    result = run_cli("inspect", source)
    assert result.exit_code == 2
    assert "the user's limit allows. Free some space" in result.stderr
    assert "(TMPDIR names another folder)" in result.stderr
