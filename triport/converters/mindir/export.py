"""From a MindSpore Cell to MindIR and on to ONNX."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.converters.networks.input_specs import InputSpec
from triport.reference_models.errors import TriportError

from .graph import Graph
from .outputs import name_outputs
from .quiet import compiling, context_kept, silenced
from .reader import read_mindir

if TYPE_CHECKING:
    import onnx


class ExportError(TriportError):
    """MindSpore cannot export the Cell, or an input is described wrongly."""


def mindir_bytes_from_cell(cell: Any, *inputs: Sequence[int] | InputSpec) -> bytes:
    """Return what `mindspore.export` writes for a Cell of less than 1 GB in inference mode.

    An input is an InputSpec, or the shape of a float32 one; which batch size does not matter.

    Raises:
        ExportError: MindSpore cannot export the Cell.
    """
    with exported_mindir(cell, *inputs) as path:
        return path.read_bytes()


@contextlib.contextmanager
def exported_mindir(cell: Any, *inputs: Sequence[int] | InputSpec) -> Iterator[Path]:
    """Give the path of the Cell's MindIR, removed afterwards; over 1 GB, the parameters lie beside it.

    Raises:
        ExportError: MindSpore cannot export the Cell.
    """
    import mindspore

    tensors = _make_zeros(inputs)
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        try:
            with silenced(), context_kept():
                mindspore.export(cell, *tensors, file_name=str(Path(folder, "cell")), file_format="MINDIR")
        except Exception as error:  # whatever the Cell or MindSpore's compiler raises
            lines = [line for line in str(error).splitlines() if line.strip(" -")]
            raise ExportError(
                f"MindSpore cannot export {type(cell).__name__} for the inputs "
                f"{', '.join(str(i) for i in inputs)}: {type(error).__name__}: {' '.join(lines[:3])}"
            ) from error
        (path,) = Path(folder).glob("*.mindir")
        yield path


def _make_zeros(inputs: Sequence[Sequence[int] | InputSpec]) -> list[Any]:
    import mindspore
    import numpy as np

    specs = [given if isinstance(given, InputSpec) else InputSpec(tuple(given)) for given in inputs]
    return [mindspore.Tensor(np.zeros(spec.shape), getattr(mindspore, spec.dtype)) for spec in specs]


def name_graph(graph: Graph, cell: Any, inputs: Sequence[InputSpec]) -> Graph:
    """Return the Cell's graph with the names that it gives its outputs, where it can be run here."""
    try:
        with silenced(), compiling():
            result = cell(*_make_zeros(inputs))
    except Exception:  # an operator without a kernel for this device: the comparison will say so
        return graph
    return replace(graph, output_names=name_outputs(result))


def onnx_from_mindir(
    source: Path | str | bytes,
    *,
    opset: int = 17,
    rename: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    free_batch: bool = True,
    keep_parameters: bool = True,
) -> onnx.ModelProto:
    """Return a .mindir file, given by path or content, as an ONNX model.

    `rename` maps `param.name`s to the initializers' names. See `emit.onnx_from_graph`.

    Raises:
        TriportError: the file cannot be read, or holds what cannot be converted.
    """
    from .emit import onnx_from_graph

    return onnx_from_graph(
        read_mindir(Path(source) if isinstance(source, str) else source),
        opset=opset,
        rename=rename,
        input_names=input_names,
        output_names=output_names,
        free_batch=free_batch,
        keep_parameters=keep_parameters,
    )
