"""Where a graph comes from: a Cell that MindSpore traces, or a .mindir file."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import environment
from converters.formats import open_checkpoint
from reference_models.errors import TriportError, listed

from .emit import onnx_from_graph
from .export import ExportError, InputSpec, exported_mindir
from .reader import Graph, UnknownSizeError, read_mindir

if TYPE_CHECKING:
    import onnx

UNKNOWN_TRACED_WITH = 2  # images, for a file whose batch size is unknown

Progress = Callable[[str], None]


class ConvertAnyError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a graph is from.

    `get_cell` is None where it shall not be compared, `trace` where it is a file with one batch size.
    """

    name: str
    get_cell: Callable[[], Any] | None
    trace: Callable[[int, bool], onnx.ModelProto] | None = None
    input_names: list[str] | None = None


def trace_unknown_batch(
    source: Path, error: UnknownSizeError, opset: int, check: bool, progress: Progress
) -> tuple[Graph, Origin]:
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
    trace = Tracer(lambda: load_mindir(source), specs, opset, names, error)
    progress(f"tracing {source.name} in MindSpore with a batch of {UNKNOWN_TRACED_WITH}")
    get_cell = (lambda: load_mindir(source)) if check else None
    return trace.graph(UNKNOWN_TRACED_WITH), Origin(str(source), get_cell, trace, names)


@dataclass(frozen=True, slots=True)
class Tracer:
    """Traces a Cell again, with another batch size, which is then free or not.

    `file` is what a .mindir file with an unknown batch size says of itself. A Cell of such a file can be
    traced only once: `get_cell` makes a new one each time.
    """

    get_cell: Callable[[], Any]
    specs: Sequence[InputSpec]
    opset: int
    input_names: list[str] | None = None
    file: UnknownSizeError | None = None

    def __call__(self, size: int, free_batch: bool) -> onnx.ModelProto:
        """Return the ONNX graph of what MindSpore traces with a batch size."""
        return onnx_from_graph(
            self.graph(size), opset=self.opset, free_batch=free_batch, input_names=self.input_names
        )

    def graph(self, size: int) -> Graph:
        """Return the graph that MindSpore traces with a batch size."""
        traced = next((spec.shape[0] for spec in self.specs if spec.shape), 0)
        resized = [
            InputSpec((size, *spec.shape[1:]), spec.dtype) if spec.shape[:1] == (traced,) else spec
            for spec in self.specs
        ]
        with exported_mindir(self.get_cell(), *resized) as path:
            graph = read_mindir(path)
        if self.file is None:
            return graph
        # MindSpore drops names and scopes: what it has as often as the file does is the file's, in order
        counts = Counter(node.primitive for node in graph.nodes)
        scopes: dict[str, list[str]] = {}
        for node in self.file.nodes:
            scopes.setdefault(node.primitive, []).append(node.scope)
        left = {kind: iter(found) for kind, found in scopes.items() if len(found) == counts[kind]}
        nodes = (
            replace(node, scope=next(left[node.primitive])) if node.primitive in left else node
            for node in graph.nodes
        )
        return replace(graph, name=self.file.graph_name, nodes=tuple(nodes))


def find_cell(where: str) -> Any:
    """Import the module of "package.module:factory" and return the Cell that it has or makes."""
    import mindspore

    module_name, _, path = where.partition(":")
    if not module_name or not path:
        raise ConvertAnyError(f"--cell {where}: expected package.module:factory")
    folder = os.fspath(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
        cell = found if isinstance(found, mindspore.nn.Cell) else found()  # type: ignore[operator]
    except Exception as error:  # whatever a stranger's module raises
        raise ConvertAnyError(f"--cell {where}: {type(error).__name__}: {error}") from error
    if not isinstance(cell, mindspore.nn.Cell):
        raise ConvertAnyError(f"--cell {where}: makes a {type(cell).__name__}, not a mindspore.nn.Cell")
    return cell


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
        raise ConvertAnyError(f"{path}: does not fit the Cell\n{listed(sorted(problems))}")
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
