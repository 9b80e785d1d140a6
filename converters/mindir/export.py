"""From a MindSpore Cell to MindIR and on to ONNX: the only file here that imports MindSpore."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from .emit import DEFAULT_OPSET, onnx_from_graph
from .reader import read_mindir


def mindir_bytes_from_cell(cell: Any, input_shape: Sequence[int]) -> bytes:
    """Return what `mindspore.export` writes for a Cell in inference mode.

    `input_shape` is (N, 3, height, width) of the one float32 input; which N does not matter.
    """
    import mindspore
    import numpy as np

    image = mindspore.Tensor(np.zeros(tuple(input_shape), np.float32))
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        path = Path(folder, "cell.mindir")
        with _silenced():
            mindspore.export(cell, image, file_name=str(path.with_suffix("")), file_format="MINDIR")
        return path.read_bytes()


def onnx_from_mindir(
    source: Path | str | bytes,
    *,
    opset: int = DEFAULT_OPSET,
    rename: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    free_batch: bool = True,
) -> onnx.ModelProto:
    """Return a .mindir file, given by path or content, as an ONNX model.

    `rename` maps `param.name`s to the initializers' names. See `emit.onnx_from_graph`.

    Raises:
        TriportError: the file cannot be read, or holds what cannot be converted.
    """
    return onnx_from_graph(
        read_mindir(Path(source) if isinstance(source, str) else source),
        opset=opset,
        rename=rename,
        input_names=input_names,
        output_names=output_names,
        free_batch=free_batch,
    )


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Send what MindSpore's C++ prints while it exports to nowhere."""
    saved = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
