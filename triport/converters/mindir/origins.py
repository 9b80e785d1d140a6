"""Where a graph comes from: a Cell that MindSpore traces, or a .mindir file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triport.converters import environment
from triport.converters.formats import open_checkpoint
from triport.converters.networks.arguments import parse_factory
from triport.converters.networks.factories import make
from triport.converters.networks.input_specs import InputSpec
from triport.reference_models.errors import TriportError, listed

from .export import ExportError
from .graph import Graph, UnknownSizeError
from .tracing import Tracer

CELL_OPTION = "--cell"
UNKNOWN_TRACED_WITH = 2  # images, for a file whose batch size is unknown

Progress = Callable[[str], None]


class ConvertAnyError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class GraphOrigin:
    """Where a graph is from.

    `get_cell` is None where it shall not be compared, `trace` where it is a file with one batch size.
    """

    name: str
    get_cell: Callable[[], Any] | None
    trace: Tracer | None = None
    input_names: list[str] | None = None


def trace_unknown_batch(
    source: Path, error: UnknownSizeError, opset: int, check: bool, progress: Progress
) -> tuple[Graph, GraphOrigin]:
    """Let MindSpore trace a file whose batch size is unknown with a known one."""
    from onnx import helper

    specs = [
        InputSpec(
            tuple(UNKNOWN_TRACED_WITH if size < 0 else size for size in type_.shape),
            helper.tensor_dtype_to_np_dtype(type_.elem_type).name,
        )
        for type_ in error.inputs.values()
    ]
    names = [name.rpartition(":")[2] for name in error.inputs] if len(specs) > 1 else None
    trace = Tracer(lambda: load_mindir(source), specs, opset, names, file=error)
    progress(f"tracing {source.name} in MindSpore with a batch of {UNKNOWN_TRACED_WITH}")
    get_cell = (lambda: load_mindir(source)) if check else None
    return trace.read(UNKNOWN_TRACED_WITH), GraphOrigin(str(source), get_cell, trace, names)


def find_cell(where: str) -> Any:
    """Return the Cell that a factory has or makes, such as "package.module:factory"."""
    made = make(parse_factory(where, CELL_OPTION), CELL_OPTION)
    if made.runtime != "mindspore":
        raise ConvertAnyError(
            f"{CELL_OPTION} {where}: makes a {type(made.network).__name__}, not a mindspore.nn.Cell. "
            f"Any NET is given without {CELL_OPTION}"
        )
    return made.network


def load_parameters(cell: Any, path: Path) -> None:
    """Load a checkpoint, strictly: every parameter, of the same shape and element type."""
    import mindspore

    checkpoint = open_checkpoint(path)
    owned = {parameter.name: parameter for parameter in cell.get_parameters()}
    problems = [f"{name}: in the checkpoint, not in the Cell" for name in checkpoint.tensors.keys() - owned]
    problems += [f"{name}: in the Cell, not in the checkpoint" for name in owned.keys() - checkpoint.tensors]
    for name in owned.keys() & checkpoint.tensors:
        tensor, parameter = checkpoint.tensors[name], owned[name]
        dtype = str(parameter.dtype).lower()
        if (tuple(parameter.shape), dtype) != (tensor.shape, tensor.dtype):
            problems.append(
                f"{name}: {tensor.dtype}{list(tensor.shape)} in the checkpoint, "
                f"{dtype}{list(parameter.shape)} in the Cell"
            )
    if problems:
        raise ConvertAnyError(
            f"{path}: does not fit the Cell\n{listed(sorted(problems))}\n"
            f"Every name must be there, with the shape and the type that the Cell has: save_checkpoint of "
            f"this very Cell"
        )
    for name, parameter in owned.items():
        array = checkpoint.tensors[name].numpy()
        parameter.set_data(mindspore.Tensor(array, dtype=parameter.dtype))


def load_mindir(path: Path) -> Any:
    """Return a .mindir file as a Cell."""
    mindspore = environment.import_mindspore()
    try:
        return mindspore.nn.GraphCell(mindspore.load(str(path)))
    except Exception as error:
        raise ExportError(f"MindSpore cannot load {path}: {error}") from error
