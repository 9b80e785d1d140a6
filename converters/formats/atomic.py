"""Outputs that appear complete or not at all: written beside, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from converters.formats.source import FormatError

_BUFFER_BYTES = 64 * 1024
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the file system or the user's limit allows",
}


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside the target; rename it to the target when the block ends well.

    Write the file at the temporary path and check it inside the block. On any exception the
    temporary file is removed, and what was at the target before is still there. A kill leaves
    at worst a hidden `.NAME.*.tmp` beside it.

    Args:
        path: where the file shall be; a symbolic link is followed.

    Raises:
        FormatError: the target cannot be written, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    _check_target(target, os.fspath(path))
    temporary = target.with_name(f".{target.name[:200]}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except PermissionError:
            raise FormatError(f"{path}: no permission to write in the folder {target.parent}") from None
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise FormatError(
                f"{path}: {_FULL[error.errno]}; nothing was written there. Free some space or choose another "
                f"place"
            ) from None
        # an error about another file is not ours to explain
        if error.filename is None or os.fspath(temporary) in (error.filename, error.filename2):
            raise FormatError(f"{path}: cannot be written: {error.strerror or error}") from None
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _check_target(target: Path, given: str) -> None:
    """Raise FormatError if a file cannot be made or replaced there."""
    if not given:
        raise FormatError("the output path is empty")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            what = "is not a folder" if target.parent.exists() else "does not exist"
            raise FormatError(f"{given}: the folder {target.parent} {what}; make it first") from None
        return
    except NotADirectoryError:
        raise FormatError(f"{given}: {target.parent} is not a folder") from None
    except OSError as error:
        raise FormatError(f"{given}: cannot be written: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise FormatError(f"{given}: is a directory; give a file name")
    if not stat.S_ISREG(mode):
        raise FormatError(f"{given}: exists and is not a regular file; choose another name")
    # asked of the mode too, because root may write anything: a read-only file is meant to stay
    if not mode & 0o222 or not os.access(target, os.W_OK):
        raise FormatError(
            f"{given}: no permission to write: the file is read-only; remove it or choose another name"
        )


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # some file systems cannot sync a folder; a full disk shows in a file
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(handle)


class Output:
    """A file being written from its start on: small pieces are gathered, large ones go straight out.

    Attributes:
        position: bytes written so far.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a file for writing and empty it."""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._pending = bytearray()
        self.position = 0

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            os.close(self._fd)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.position += len(data)
        if len(data) < _BUFFER_BYTES:
            self._pending += data
            if len(self._pending) >= _BUFFER_BYTES:
                self._flush()
        else:
            self._flush()
            self._write_all(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Replace bytes that were written before."""
        self._flush()
        if os.pwrite(self._fd, data, offset) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _flush(self) -> None:
        if self._pending:
            self._write_all(bytes(self._pending))
            self._pending.clear()

    def _write_all(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, memoryview(data)[written:])
