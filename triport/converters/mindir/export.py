"""From a MindSpore Cell to MindIR and on to ONNX."""

from __future__ import annotations

import contextlib
import secrets
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
    with tempfile.TemporaryDirectory(prefix="triport-") as folder:
        _export(cell, inputs, Path(folder, "cell"))
        (path,) = Path(folder).glob("*.mindir")
        yield path


class _HasGraphError(Exception):
    """Ends MindSpore's export once it has the graph."""


def mindir_without_values(cell: Any, *inputs: Sequence[int] | InputSpec) -> bytes:
    """Return the Cell's MindIR in which parameters have a type and no values; `read_mindir` must be told so.

    MindSpore would hold all parameters three times more: in its message, as that message's bytes and as bytes
    of their own.

    Raises:
        ExportError: MindSpore cannot export the Cell.
    """
    found: list[bytes] = []

    def take(model: Any) -> None:
        found.append(model.SerializeToString())
        raise _HasGraphError

    # nothing is written there: the export ends before
    nowhere = Path(tempfile.gettempdir(), f"triport-{secrets.token_hex()}", "cell")
    with contextlib.suppress(_HasGraphError):
        _export(cell, inputs, nowhere, custom_func=take)
    return found[0]


def _export(cell: Any, inputs: Sequence[Sequence[int] | InputSpec], path: Path, **options: Any) -> None:
    import mindspore

    tensors = _make_zeros(inputs)
    try:
        with silenced(), context_kept():
            mindspore.export(cell, *tensors, file_name=str(path), file_format="MINDIR", **options)
    except _HasGraphError:
        raise
    except Exception as error:  # whatever the Cell or MindSpore's compiler raises
        lines = [line for line in str(error).splitlines() if line.strip(" -")]
        raise ExportError(
            f"MindSpore cannot export {type(cell).__name__} for the inputs "
            f"{', '.join(str(i) for i in inputs)}: {type(error).__name__}: {' '.join(lines[:3])}"
        ) from error


def _make_zeros(inputs: Sequence[Sequence[int] | InputSpec]) -> list[Any]:
    import mindspore
    import numpy as np

    specs = [given if isinstance(given, InputSpec) else InputSpec(tuple(given)) for given in inputs]
    return [mindspore.Tensor(np.zeros(spec.shape), getattr(mindspore, spec.dtype)) for spec in specs]


def name_graph(graph: Graph, cell: Any, *inputs: Sequence[InputSpec]) -> Graph:
    """Return the Cell's graph with the names that it gives its outputs, where it can be run here.

    `inputs` are those to run it with, others if it does not run with the first.
    """
    for specs in inputs:
        # an operator without a kernel for this device: the comparison will say so
        with contextlib.suppress(Exception), silenced(), compiling():
            return replace(graph, output_names=name_outputs(cell(*_make_zeros(specs))))
    return graph


def onnx_from_mindir(
    source: Path | str | bytes,
    *,
    opset: int = 17,
    rename: Mapping[str, str] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    free_batch: bool = True,
    has_values: bool = True,
) -> onnx.ModelProto:
    """Return a .mindir file, given by path or content, as an ONNX model.

    `rename` maps `param.name`s to the initializers' names. See `emit.onnx_from_graph`. What
    `mindir_without_values` gives has none: there the parameters become inputs.

    Raises:
        TriportError: the file cannot be read, or holds what cannot be converted.
    """
    from .emit import onnx_from_graph

    return onnx_from_graph(
        read_mindir(Path(source) if isinstance(source, str) else source, has_values=has_values),
        opset=opset,
        rename=rename,
        input_names=input_names,
        output_names=output_names,
        free_batch=free_batch,
        keep_parameters=has_values,
    )
