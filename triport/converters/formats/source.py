"""A file that a stranger made, read by position: bounds are checked, nothing is loaded whole."""

from __future__ import annotations

import difflib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from triport.reference_models.errors import TriportError, counted

CHUNK_BYTES = 128 * 1024
_MOST_COMPARED = 1000  # names that one which is not there is compared with
# of zeros after what a file holds: torch looks for a zip's end as far from its end
MAX_PADDING_BYTES = 1 << 16
# what one buffer holds while a payload is copied: faster than small ones, still in the cache
PIECE_BYTES = 1024 * 1024

# inode, size, time of the last change of the content, which can be put back, and of the status, which cannot
Stamp = tuple[int, int, int, int]


class FormatError(TriportError):
    """A file that is damaged, unsupported or unsafe; or tensors that a format cannot hold."""


class SourceFile:
    """An open regular file of a fixed size.

    Attributes:
        path: where the file is, as the caller named it.
        size: in bytes, when the file was opened.
    """

    _close = staticmethod(os.close)  # `os` may be gone when the interpreter ends

    def __init__(
        self,
        path: str | os.PathLike[str],
        dir_fd: int | None = None,
        flags: int = 0,
        shown: str | None = None,
    ) -> None:
        """Open a file for reading.

        Args:
            path: the file.
            dir_fd: what a relative path is relative to, as in `os.open`.
            flags: more flags for `os.open`, such as O_NOFOLLOW.
            shown: the path for errors, where another one says more.

        Raises:
            FormatError: it is missing, unreadable, a directory or no regular file.
        """
        self.path = shown or os.fspath(path)
        self._fd = -1
        try:
            # O_NONBLOCK: opening a FIFO must not wait for a writer
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags, dir_fd=dir_fd)
            status = os.fstat(self._fd)
        except FileNotFoundError:
            raise FormatError(f"{self.path}: no such file; {missing_file_hint(self.path)}") from None
        except PermissionError:
            raise FormatError(f"{self.path}: no permission to read the file") from None
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.ELOOP:
                raise FormatError(f"{self.path}: is a symbolic link, which is not followed here") from None
            raise FormatError(f"{self.path!r}: cannot be opened: {error}") from None
        if stat.S_ISDIR(status.st_mode):
            raise FormatError(f"{self.path}: is a directory; expected a checkpoint file")
        if not stat.S_ISREG(status.st_mode):
            pipe = (
                ". To read a pipe, say - and send it to standard input"
                if stat.S_ISFIFO(status.st_mode)
                else ""
            )
            raise FormatError(f"{self.path}: is not a regular file; expected a checkpoint file{pipe}")
        self.size = status.st_size
        self.stamp = stamp_of(status)
        self.hard_links = status.st_nlink

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; reading its tensors is an error from then on."""
        if self._fd >= 0:
            self._close(self._fd)
            self._fd = -1

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset` on.

        Raises:
            FormatError: the range reaches outside the file, or the file shrank since it was opened.
        """
        self.check_range(offset, length, "a read")
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    raise FormatError(
                        f"{self.path}: ended at byte {offset + len(data):,} instead of {self.size:,}: "
                        f"something shortened it while it was read"
                    )
                data += more
        except OSError as error:
            raise FormatError(f"{self.path}: cannot be read at byte {offset:,}: {error.strerror}") from None
        return data

    def head(self, length: int) -> bytes:
        """Return the first bytes: `length` of them, or all where the file is shorter."""
        return self.read(0, min(length, self.size))

    def padding_from(self, offset: int) -> int:
        """Return how many bytes follow, if they are few and all zeros; 0 if they could mean something."""
        length = self.size - offset
        return length if 0 < length <= MAX_PADDING_BYTES and not any(self.read(offset, length)) else 0

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield a range in pieces of at most CHUNK_BYTES.

        Raises:
            FormatError: the file was changed since it was opened.
        """
        end = offset + length
        while offset < end:
            size = min(CHUNK_BYTES, end - offset)
            yield self.read(offset, size)
            offset += size
        self.check_unchanged()

    def fill(self, buffer: bytearray | memoryview, offset: int, length: int) -> Iterator[int]:
        """Put a range into a buffer, piece after piece; yields how many bytes of the buffer each takes.

        Raises:
            FormatError: the file was changed since it was opened.
        """
        end = offset + length
        while offset < end:
            size = min(len(buffer), end - offset)
            try:
                read_exactly(self._fd, buffer, size, offset)
            except EOFError:
                raise FormatError(
                    f"{self.path}: ends before byte {offset + size:,}: something shortened it while it "
                    f"was read"
                ) from None
            except OSError as error:
                raise FormatError(
                    f"{self.path}: cannot be read at byte {offset:,}: {error.strerror}"
                ) from None
            yield size
            offset += size
        self.check_unchanged()

    def current_stamp(self) -> Stamp:
        """Return what `stamp` would be now."""
        return stamp_of(os.fstat(self._fd))

    def check_unchanged(self) -> None:
        """Raise FormatError if the file has been written to since it was opened."""
        if self.current_stamp() != self.stamp:
            raise FormatError(f"{self.path}: something changed the file while it was read; try again")

    def check_range(self, offset: int, length: int, what: str) -> None:
        """Raise FormatError unless the range lies inside the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{self.path}: {what} takes bytes {offset:,} to {offset + length:,}, but the file has "
                f"{self.size:,}: it is truncated or damaged; get it again"
            )


def padding_note(count: int) -> str:
    """Return what a reader says of zeros that it has left out."""
    return f"{counted(count, 'zero byte follows', 'zero bytes follow')} the end of what was saved: left out"


PATTERN_HINT = "a pattern is for `convert` and `inspect`: name each file here, or leave out the quotes"


def is_pattern(path: str) -> bool:
    """Return whether a path that is not there is meant for several files."""
    return bool(set(path) & set("*?"))


def missing_file_hint(path: str) -> str:
    """Return what to do about a file that is not there: the names beside it that are like its own."""
    if is_pattern(path):
        return PATTERN_HINT
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as entries:
            beside = [entry.name for entry in itertools.islice(entries, _MOST_COMPARED)]
    except (OSError, ValueError):
        return "check the path"
    close = difflib.get_close_matches(name, beside, n=3, cutoff=0.8)
    shown = " or ".join(str(Path(folder, one)) for one in close if one.isprintable())
    return f"did you mean {shown}?" if shown else "check the path"


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what tells that a file is still the same, unwritten since."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_exactly(handle: int, buffer: bytearray | memoryview, size: int, offset: int) -> None:
    """Read bytes of a file into the start of a buffer.

    Raises:
        EOFError: the file ends before.
    """
    done = 0
    while done < size:
        with memoryview(buffer)[done:size] as rest:
            count = os.preadv(handle, [rest], offset + done)
        if not count:
            raise EOFError
        done += count


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits."""
    import hashlib

    source = SourceFile(path)
    digest = hashlib.sha256()
    for chunk in source.chunks(0, source.size):
        digest.update(chunk)
    source.close()
    return digest.hexdigest()
