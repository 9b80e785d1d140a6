"""Outputs that appear complete or not at all: written beside, read back, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from triport.converters.formats.source import PIECE_BYTES, FormatError, Stamp, read_exactly, stamp_of

if TYPE_CHECKING:
    from triport.converters.formats.tensors import Tensor

_BUFFER_BYTES = 64 * 1024
# why no more can be written, by the system's number of it
FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the file system or the user's limit allows",
}
_READ_ONLY = "is on a file system that is mounted for reading only; choose another place"


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
    check_place(path)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    temporary = target.with_name(f".{target.name[:200]}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            # who may not read the file that is replaced may not read its successor, nor while it is written
            first = 0o666 if mode is None else 0o600
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, first)
            os.close(handle)
        except PermissionError:
            raise FormatError(f"{path}: no permission to write in the folder {target.parent}") from None
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except OSError as error:
        if error.errno in FULL:
            raise FormatError(
                f"{path}: {FULL[error.errno]}; nothing was written there. Free some space or choose another "
                f"place"
            ) from None
        # an error about another file is not ours to explain
        if error.filename is None or os.fspath(temporary) in (error.filename, error.filename2):
            raise FormatError(f"{path}: cannot be written: {error.strerror or error}") from None
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise FormatError if a file cannot be made or replaced there; a symbolic link is followed."""
    target, given = Path(os.path.realpath(path)), os.fspath(path)
    if not given:
        raise FormatError("the output path is empty")
    try:
        # as the system finds it: /dev/stdout leads to a pipe, which has no other path
        mode = Path(given).stat().st_mode
    except FileNotFoundError:
        # both: a folder that is not there, and .. behind it, is no path to the system, but to realpath
        for folder in (Path(given).parent, target.parent):
            if not folder.is_dir():
                what = "is not a folder" if folder.exists() else "does not exist"
                raise FormatError(f"{given}: the folder {folder} {what}; make it first") from None
        if _is_read_only(target.parent):
            raise FormatError(f"{given}: {_READ_ONLY}") from None
        if not os.access(target.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise FormatError(f"{given}: no permission to write in the folder {target.parent}") from None
        return
    except NotADirectoryError:
        raise FormatError(f"{given}: {target.parent} is not a folder") from None
    except OSError as error:
        raise FormatError(f"{given}: cannot be written: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise FormatError(f"{given}: is a directory; give a file name")
    if not stat.S_ISREG(mode):
        raise FormatError(f"{given}: exists and is not a regular file; choose another name")
    if _is_read_only(target):
        raise FormatError(f"{given}: {_READ_ONLY}")
    # asked of the mode too, because root may write anything: a read-only file is meant to stay
    if not mode & 0o222 or not os.access(target, os.W_OK, effective_ids=True):
        raise FormatError(
            f"{given}: no permission to write: the file is read-only; remove it or choose another name"
        )


def _is_read_only(path: Path) -> bool:
    """Whether a file or folder is on a disk that is mounted for reading, which no permission changes."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


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

    Every byte is read back from the file and compared while it is still in the cache, which costs a
    quarter of what reading both files again afterwards does. What is left to check is that the
    format's reader finds each tensor where it was put: `places`.

    Attributes:
        position: bytes written so far.
        places: for each time that a tensor was written, the (offset, length) of its pieces.
        stamp: of the finished file, by which a later change is told.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open a file for writing and empty it."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._pending = bytearray()
        self._flushed = 0
        self._buffer = bytearray(PIECE_BYTES)
        self._found = bytearray(PIECE_BYTES)
        self._place: list[tuple[int, int]] = []
        self.position = 0
        self.places: dict[Tensor, list[list[tuple[int, int]]]] = {}
        self.stamp: Stamp | None = None

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                os.fsync(self._fd)
                self.stamp = stamp_of(os.fstat(self._fd))
        finally:
            os.close(self._fd)

    def payload(self, tensor: Tensor) -> Iterator[memoryview]:
        """Yield a tensor's payload in pieces, each to be `put` before the next is asked for."""
        self._place = []
        self.places.setdefault(tensor, []).append(self._place)
        for size in tensor.fill(self._buffer):
            yield memoryview(self._buffer)[:size]

    def put(self, piece: memoryview) -> None:
        """Append a piece of the payload that `payload` yields, or a part of one."""
        if self._place and sum(self._place[-1]) == self.position:
            start, length = self._place[-1]
            self._place[-1] = start, length + len(piece)
        else:
            self._place.append((self.position, len(piece)))
        self.write(piece)

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self.position += len(data)
        if len(data) < _BUFFER_BYTES:
            self._pending += data
            if len(self._pending) >= _BUFFER_BYTES:
                self._flush()
        else:
            self._flush()
            self._write_back(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Replace bytes that were written before."""
        self._flush()
        if os.pwrite(self._fd, data, offset) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._read_back(memoryview(data), offset)

    def _flush(self) -> None:
        if self._pending:
            self._write_back(bytes(self._pending))
            self._pending.clear()

    def _write_back(self, data: bytes | memoryview) -> None:
        """Write at the file's end, and read back."""
        self._write_all(data)
        with memoryview(data) as written:
            for start in range(0, len(data), PIECE_BYTES):
                self._read_back(written[start : start + PIECE_BYTES], self._flushed + start)
        self._flushed += len(data)

    def _read_back(self, data: memoryview, offset: int) -> None:
        """Raise FormatError unless the file has these bytes there."""
        try:
            read_exactly(self._fd, self._found, len(data), offset)
        except EOFError:
            equal = False
        else:
            equal = self._found.startswith(data)  # a memoryview's own == takes a hundred times as long
        if not equal:
            raise FormatError(
                f"what was written from byte {offset:,} on does not read back: the disk or memory is faulty. "
                f"Nothing was written"
            )

    def _write_all(self, data: bytes | memoryview) -> None:
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, memoryview(data)[written:])
