"""The Network of an ONNX file, which has its weights within."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from triport.converters.formats import open_checkpoint
from triport.converters.mindir.asked import is_mindir
from triport.reference_models.errors import counted
from triport.reference_models.network import Network, Realisation

from .foreign import NetworkError
from .input_specs import InputSpec, network_inputs


def is_onnx_file(path: Path) -> bool:
    """Return whether a file is an ONNX file."""
    return not is_mindir(path) and open_checkpoint(path).runtime == "onnx"


def specs_of_file(path: Path) -> list[InputSpec]:
    """Return a description of each input of an ONNX file, with 2 for what the file leaves free."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    described = []
    for value in graph.input:
        if value.name in stored:
            continue
        kind = value.type.tensor_type
        shape = tuple(axis.dim_value or 2 for axis in kind.shape.dim)
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type or onnx.TensorProto.FLOAT))
        # a name that a description cannot have is left out: the order tells
        name = value.name if re.fullmatch(r"[A-Za-z_][\w.]{0,99}", value.name, re.ASCII) else None
        described.append(InputSpec(shape, dtype, name))
    return described


def of_onnx_file(path: Path, specs: Sequence[InputSpec]) -> Network:
    """Return the Network of an ONNX file.

    Args:
        path: of the file.
        specs: its inputs, in its order.

    Raises:
        NetworkError: it has other inputs.
    """
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    fed = [value.name for value in graph.input if value.name not in stored]
    if len(fed) != len(specs):
        raise NetworkError(
            f"{path}: has {counted(len(fed), 'input')} ({', '.join(fed)}), and --input is given "
            f"{counted(len(specs), 'time')}"
        )
    inputs, sizes = network_inputs(specs, fed)
    outputs = tuple(value.name for value in graph.output)
    return Network(path.stem, inputs, outputs, {"onnx": Realisation("onnx", lambda: path)}, sizes)
