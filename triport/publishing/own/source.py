"""The file whose weights are published, read as a checkpoint whatever it is."""

from __future__ import annotations

from pathlib import Path

from triport.converters.formats import ArrayTensor, Checkpoint, Tensor, open_checkpoint
from triport.converters.mindir.asked import is_mindir


def opened(path: Path) -> Checkpoint:
    """Return the tensors of a checkpoint, or of a .onnx or .mindir file.

    Raises:
        TriportError: it cannot be read.
    """
    return _of_mindir(path) if is_mindir(path) else open_checkpoint(path)


def _of_mindir(path: Path) -> Checkpoint:
    import numpy as np
    import onnx

    from triport.converters.mindir.reader import read_mindir

    tensors: dict[str, Tensor] = {}
    for parameter in read_mindir(path).parameters.values():
        kind = parameter.tensor.type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        tensors[parameter.name] = ArrayTensor(np.frombuffer(parameter.tensor.data, dtype).reshape(kind.shape))
    return Checkpoint(str(path), "mindir", "mindspore", tensors)
