"""The Network of an ONNX file, which has its weights within."""

from __future__ import annotations

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
