"""The published folder: which files there are, and how it appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from triport.converters.published import MODEL_FILE
from triport.reference_models.errors import TriportError

OPTIMIZED_FILE = "model_optimized.onnx"
PYTORCH_FILE = "model.safetensors"
MINDSPORE_FILE = "model.ckpt"
CONFIG_FILE = "config.json"
CARD_FILE = "README.md"
REPORT_FILE = "parity.html"
NETWORK_FILES = {"pytorch": "network_torch.py", "mindspore": "network_mindspore.py"}

# what hubs and version control put beside the files
BOOKKEEPING = frozenset({".git", ".gitattributes", ".cache"})


_WHAT = {
    MODEL_FILE: "ONNX, unfolded, PyTorch's parameter names",
    OPTIMIZED_FILE: "ONNX, BatchNorm folded",
    PYTORCH_FILE: "weights for PyTorch",
    MINDSPORE_FILE: "weights for MindSpore",
    CONFIG_FILE: "architecture, classes, preprocessing",
    CARD_FILE: "the model card",
    REPORT_FILE: "the parity report",
    NETWORK_FILES["pytorch"]: "the network in PyTorch",
    NETWORK_FILES["mindspore"]: "the network in MindSpore",
}
EXPECTED = frozenset(_WHAT)


class FolderError(TriportError):
    """The folder cannot be made, or it is no published one."""


def dialect_file(dialect: str, runtime: str) -> str:
    """Return the name of the weights file with a publisher's names."""
    return f"model.{dialect}{'.ckpt' if runtime == 'mindspore' else '.safetensors'}"


def what_of(name: str) -> str:
    """Return what a file of the folder is, in words."""
    return _WHAT.get(name) or f"weights with the names of {name.split('.')[1]}"


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
