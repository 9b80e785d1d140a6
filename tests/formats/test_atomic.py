"""An output appears whole or not at all, and what was there before stays until then."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.formats.checkpoint_samples import array, payload
from triport.converters import formats
from triport.converters.formats import (
    ArrayTensor,
    FormatError,
    Tensor,
    open_checkpoint,
    replacing,
    write_checkpoint,
)
from triport.converters.formats.source import SourceFile


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_leaves_the_old_file(
    target: tuple[str, str, Path], small: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _, runtime, path = target
    path.write_bytes(b"the old one")

    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FormatError, match=r"disk is full|quota is used up|limit allows"):
        write_checkpoint(path, runtime, small)
    assert path.read_bytes() == b"the old one"
    assert list(path.parent.iterdir()) == [path]


def test_a_real_limit_leaves_the_old_file(target: tuple[str, str, Path]) -> None:
    _, runtime, path = target
    path.write_bytes(b"the old one")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    tensors: dict[str, Tensor] = {"w": ArrayTensor(array("float32", (500_000,)))}
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, old[1]))
    try:
        with pytest.raises(FormatError, match="larger than the file system or the user's limit"):
            write_checkpoint(path, runtime, tensors)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"the old one"
    assert list(path.parent.iterdir()) == [path]


def test_a_short_write_goes_on(target: tuple[str, str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, runtime, path = target
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:1000]))
    tensor = ArrayTensor(array("float32", (20_000,)))
    write_checkpoint(path, runtime, {"w": tensor})
    assert payload(open_checkpoint(path).tensors["w"]) == payload(tensor)


def test_a_disk_that_lies_is_found(
    target: tuple[str, str, Path], small: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are not what was written are an error, and nothing is renamed."""
    _, runtime, path = target
    wanted = payload(small["fc.bias"])
    real = os.preadv

    def lying(handle: int, buffers: Any, offset: int) -> int:
        count = real(handle, buffers, offset)
        data = bytes(buffers[0])
        buffers[0][:] = data.replace(wanted, bytes(len(wanted)))
        return count

    monkeypatch.setattr(os, "preadv", lying)
    with pytest.raises(FormatError, match="does not read back: the disk or memory is faulty"):
        write_checkpoint(path, runtime, small)
    assert list(path.parent.iterdir()) == []


def test_a_file_that_something_else_writes_to_is_found(
    target: tuple[str, str, Path], small: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that change after they were compared are an error, and nothing is renamed."""
    name, runtime, path = target
    module = formats.formats()[name]
    wanted = payload(small["fc.bias"])

    def written_to(source: SourceFile) -> formats.Checkpoint:
        time.sleep(0.02)  # a file system's clock may be no finer
        data = Path(source.path).read_bytes()
        Path(source.path).write_bytes(data.replace(wanted, bytes(len(wanted))))
        return real(SourceFile(source.path))

    real = module.open
    monkeypatch.setattr(module, "open", written_to)
    with pytest.raises(FormatError, match=r"of 5 tensors do not .*something else wrote to the file"):
        write_checkpoint(path, runtime, small)
    assert list(path.parent.iterdir()) == []


def test_a_writer_that_takes_another_tensor_is_found(
    target: tuple[str, str, Path], small: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the tensor asked for that must lie where the reader finds the name."""
    name, runtime, path = target
    module = formats.formats()[name]
    real = module.write

    def swapped(path: Path, runtime: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> Any:
        return real(path, runtime, tensors | {"bn.gamma": tensors["bn.moving_mean"]}, metadata)

    monkeypatch.setattr(module, "write", swapped)
    with pytest.raises(FormatError, match=r"1 of 5 tensors do not .* \('bn\.gamma' is the first\)"):
        write_checkpoint(path, runtime, small)
    assert list(path.parent.iterdir()) == []


def test_a_source_that_changes_meanwhile_is_found(
    target: tuple[str, str, Path], small: dict[str, Tensor], tmp_path: Path
) -> None:
    _, runtime, path = target
    source = tmp_path / "source.ckpt"
    write_checkpoint(source, "mindspore", small)
    tensors = open_checkpoint(source).tensors
    time.sleep(0.02)
    data = source.read_bytes()
    source.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FormatError, match=r"source\.ckpt: something changed the file while it was read"):
        write_checkpoint(path, runtime, tensors)
    assert not path.exists()


class Interrupted(Tensor):
    shape, dtype = (4,), "float32"

    def chunks(self) -> Iterator[bytes]:
        yield bytes(8)
        raise KeyboardInterrupt


def test_an_interrupt_leaves_the_old_file(target: tuple[str, str, Path]) -> None:
    _, runtime, path = target
    path.write_bytes(b"the old one")
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, runtime, {"w": Interrupted()})
    assert path.read_bytes() == b"the old one"
    assert list(path.parent.iterdir()) == [path]


def test_the_source_may_be_the_target(tmp_path: Path, small: dict[str, Tensor]) -> None:
    path = tmp_path / "x.ckpt"
    write_checkpoint(path, "mindspore", small)
    found = open_checkpoint(path)
    write_checkpoint(path, "mindspore", dict(reversed(found.tensors.items())))
    assert list(open_checkpoint(path).tensors) == list(reversed(small))


def make_folder(path: Path) -> None:
    path.mkdir()


def make_read_only(path: Path) -> None:
    path.write_bytes(b"old")
    path.chmod(0o400)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


PLACES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "directory": (make_folder, "x.pth", "is a directory; give a file name"),
    "read-only": (make_read_only, "x.pth", "no permission to write: the file is read-only"),
    "device": (lambda path: path.symlink_to("/dev/full"), "x.pth", "is not a regular file"),
    "loop": (make_loop, "x.pth", "cannot be written|is not a regular file"),
    "no folder": (lambda path: None, "no/x.pth", "the folder .*/no does not exist; make it first"),
    "file as folder": (lambda path: path.parent.write_bytes(b""), "f/x.pth", "is not a folder"),
    "long name": (lambda path: None, "x" * 300 + ".pth", "cannot be written: File name too long"),
}


@pytest.mark.parametrize(("make", "name", "message"), PLACES.values(), ids=PLACES)
def test_a_place_that_cannot_be_written(
    tmp_path: Path, small: dict[str, Tensor], make: Callable[[Path], object], name: str, message: str
) -> None:
    path = tmp_path / name
    make(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FormatError, match=message):
        write_checkpoint(path, "pytorch", small)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission(
    tmp_path: Path, small: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **named: Any) -> int:  # root may write everywhere
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(FormatError, match="no permission to write in the folder"):
        write_checkpoint(tmp_path / "x.pth", "pytorch", small)


def test_a_symbolic_link_is_written_through(tmp_path: Path, small: dict[str, Tensor]) -> None:
    (tmp_path / "link.pth").symlink_to(tmp_path / "real.pth")
    write_checkpoint(tmp_path / "link.pth", "pytorch", small)
    assert (tmp_path / "link.pth").is_symlink()
    assert list(open_checkpoint(tmp_path / "real.pth").tensors) == list(small)


def test_the_mode_follows_the_umask(tmp_path: Path, small: dict[str, Tensor]) -> None:
    old = os.umask(0o027)
    try:
        write_checkpoint(tmp_path / "x.pth", "pytorch", small)
    finally:
        os.umask(old)
    assert (tmp_path / "x.pth").stat().st_mode & 0o777 == 0o640


def test_an_error_about_another_file_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), replacing(tmp_path / "x"):
        Path("elsewhere").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_other_code_can_write_at_the_temporary_path(tmp_path: Path) -> None:
    with replacing(tmp_path / "x.onnx") as temporary:
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"graph")
        assert not (tmp_path / "x.onnx").exists()
    assert (tmp_path / "x.onnx").read_bytes() == b"graph"


@pytest.mark.parametrize("delay_ms", [5, 20, 40, 60, 80, 120])
def test_kill_leaves_the_old_file_or_the_new(tmp_path: Path, delay_ms: int) -> None:
    source = tmp_path / "a.ckpt"
    write_checkpoint(
        source, "mindspore", {f"w{i}": ArrayTensor(array("float32", (50_000,), i)) for i in range(8)}
    )
    target = tmp_path / "x.pth"
    write_checkpoint(target, "pytorch", {"old": ArrayTensor(array("float32", (3,)))})
    script = (
        "import sys; from triport.converters.formats import *\n"
        "c = open_checkpoint(sys.argv[1]); print('go', flush=True)\n"
        "while True: write_checkpoint(sys.argv[2], 'pytorch', c.tensors)"
    )
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", script, str(source), str(target)]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_ms / 1000)
        process.kill()
    found = open_checkpoint(target)
    assert list(found.tensors) == ["old"] or len(found.tensors) == 8
    for tensor in found.tensors.values():
        payload(tensor)
