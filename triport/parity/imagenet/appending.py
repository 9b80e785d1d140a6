"""A file that one process appends to in whole pieces, and that no other may touch meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from triport.reference_models.errors import TriportError


class AppendError(TriportError):
    """The file cannot be opened, is in use, or cannot be written."""


class AppendedFile:
    """An open and locked file; what is there stays until the first `append`, which goes on at `end`."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """Create the file, or with `resume` open one that is there.

        Raises:
            AppendError: it exists and is not to be resumed, is no file, or another process holds it.
        """
        self.path = path
        self.end = 0
        self._begun = False
        try:
            self._descriptor, self._created = self._open(resume)
        except OSError as error:
            raise AppendError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise AppendError(
                f"{path}: another run writes its rows there now. Wait for it, or use another path"
            ) from error
        except OSError:
            pass  # a file system without locks: `append` sees that the file has changed

    def _open(self, resume: bool) -> tuple[int, bool]:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError as error:
            if not self.path.is_file():
                raise AppendError(f"{self.path}: is not a regular file; --rows needs one") from error
            if not resume:
                raise AppendError(
                    f"{self.path} exists: use --resume to go on with it, or another path"
                ) from error
            return os.open(self.path, flags), False

    def read(self, size: int | None = None) -> bytes:
        """Return the file's first `size` bytes, or all of it.

        Raises:
            AppendError: it cannot be read.
        """
        parts, at = [], 0
        wanted = os.fstat(self._descriptor).st_size if size is None else size
        try:
            while at < wanted and (part := os.pread(self._descriptor, wanted - at, at)):
                parts.append(part)
                at += len(part)
        except OSError as error:
            raise AppendError(f"{self.path}: cannot be read ({error.strerror})") from error
        return b"".join(parts)

    def append(self, data: bytes) -> None:
        """Write `data` at `end`, whole or not at all.

        Raises:
            AppendError: there is no room, or something else has changed or removed the file.
        """
        try:
            state = os.fstat(self._descriptor)
            if state.st_nlink == 0 or (self._begun and state.st_size != self.end):
                raise AppendError(f"{self.path}: something else has changed or removed it meanwhile")
            if not self._begun:
                os.ftruncate(self._descriptor, self.end)
                self._begun = True
            at = 0
            while at < len(data):
                at += os.pwrite(self._descriptor, data[at:], self.end + at)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.end)
            raise AppendError(f"{self.path}: cannot be written ({error.strerror})") from error
        self.end += len(data)

    def close(self) -> None:
        """Bring the file to the disk and close it; one that was created and never written goes away.

        Raises:
            AppendError: it does not reach the disk.
        """
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if self._begun:
                os.fsync(descriptor)
            elif self._created:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise AppendError(f"{self.path}: does not reach the disk ({error.strerror})") from error
        finally:
            os.close(descriptor)
