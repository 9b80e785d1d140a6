"""The published folder: what every one has, and how it appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from triport.reference_models.errors import TriportError

PYTORCH_FILE = "model.safetensors"
MINDSPORE_FILE = "model.ckpt"
CARD_FILE = "README.md"

# what hubs and version control put beside the files
BOOKKEEPING = frozenset({".git", ".gitattributes", ".cache"})


class FolderError(TriportError):
    """The folder cannot be made, or it is no published one."""


def check_free(path: Path) -> None:
    """Raise FolderError unless a folder can be made at `path`."""
    if path.exists() or path.is_symlink():
        raise FolderError(f"{path}: exists; publish into a new folder, or remove it first")
    if not path.absolute().parent.is_dir():
        raise FolderError(f"{path}: the folder {path.absolute().parent} does not exist; make it first")


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; it becomes `path` when the block ends well.

    Everything in it is synced first. On an exception it is removed. A kill leaves at worst a hidden
    `.NAME.*.tmp` beside it.

    Raises:
        FolderError: something is at `path`, or no folder can be made beside it, or written.
    """
    check_free(path)
    target = path.absolute()
    temporary = target.with_name(f".{target.name[:200]}.{os.urandom(6).hex()}.tmp")
    try:
        temporary.mkdir()
    except OSError as error:
        raise FolderError(f"{path}: cannot be made: {error.strerror}") from None
    try:
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        check_free(path)
        temporary.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise FolderError(f"{path}: cannot be written: {error.strerror}; nothing was left there") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # some file systems cannot sync a folder
            raise
    finally:
        os.close(handle)
