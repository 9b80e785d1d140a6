"""A changed copy of an ONNX file, for as long as it is looked at."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx


@contextlib.contextmanager
def beside(path: Path, model: onnx.ModelProto) -> Iterator[Path]:
    """Give the path of a changed copy of a file, beside it, whose external data it reads."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".onnx")
    os.close(handle)
    try:
        Path(name).write_bytes(model.SerializeToString())
        yield Path(name)
    finally:
        Path(name).unlink()
