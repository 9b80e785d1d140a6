"""Folders that last for as long as the program does, and go away however it ends."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

_folders: list[Path] = []


def scratch_folder() -> Path:
    """Make a folder that is removed when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="triport-"))
    if not _folders:
        atexit.register(remove_scratch)
    _folders.append(folder)
    return folder


def remove_scratch() -> None:
    """Remove them now: a program that ends without Python's own end calls this before."""
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
