"""Any MindSpore Cell or .mindir file to an ONNX file, compared with MindSpore before it is kept."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import environment
from converters.formats import open_checkpoint, replacing
from reference_models.errors import TriportError, listed

from .check import Comparison, compare
from .emit import BurntBatchError, onnx_from_graph
from .export import ExportError, InputSpec, exported_mindir, name_graph
from .outputs import describe_left_out
from .reader import Graph, MindirError, read_mindir

if TYPE_CHECKING:
    import onnx

EXTERNAL_DATA_BYTES = 1 << 31  # what a protobuf message may hold
ALIGNMENT = 4096

Progress = Callable[[str], None]


class ConvertAnyError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class AnyConversion:
    """What a conversion did; `batch` says whether the batch axis is free, and why if it is not."""

    source: str
    output: str | None
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: int
    tensors_written: int
    batch: str
    comparison: Comparison
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the file was kept: the comparison did not fail."""
        return self.output is not None

    @property
    def warnings(self) -> list[str]:
        """What whoever runs the file should know."""
        return [*([] if self.batch == "free" else [self.batch]), *self.comparison.warnings]

    def as_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        return {
            "source": self.source,
            "output": self.output,
            "model": None,
            "from": "mindspore",
            "to": "onnx",
            "dialect": None,
            "tensors_written": self.tensors_written,
            "dropped": [{"name": f"output {place}", "reason": what} for place, what in self.left_out],
            "round_trip": "bit-equal",
            "warnings": self.warnings,
            "opset": self.opset,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "nodes": self.nodes,
            "batch": self.batch,
            "comparison": self.comparison.as_dict(),
        }

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        rows = [
            ("source", self.source),
            ("output", self.output or "none: not written, because the results differ"),
            ("graph", f"{self.nodes} nodes, {self.tensors_written} parameters, opset {self.opset}"),
            ("inputs", ", ".join(self.inputs)),
            ("outputs", ", ".join(self.outputs)),
            *(("left out", f"output {place}: {what}, not a tensor") for place, what in self.left_out),
            ("batch", self.batch),
            ("compared", str(self.comparison)),
            *(("warning", text) for text in self.comparison.warnings),
        ]
        title = "Converted" if self.passed else "Not converted"
        return [title, *(f"  {name:<11} {text}" for name, text in rows)]


def convert_mindir(
    source: Path,
    output: Path | None = None,
    *,
    opset: int = 17,
    check: bool = True,
    progress: Progress = lambda step: None,
) -> AnyConversion:
    """Convert a .mindir file; MindSpore is only needed for the comparison, and not missed.

    Raises:
        TriportError: the file cannot be read, or holds what cannot be converted.
    """
    progress(f"reading {source.name}")
    graph = read_mindir(source)
    run: Callable[[], Any] = lambda: _load_mindir(source)  # noqa: E731
    target = output or Path(source.with_suffix(".onnx").name)
    return _convert(graph, str(source), target, opset, run if check else None, progress)


def convert_cell(
    cell: Any,
    inputs: Sequence[InputSpec],
    output: Path | None = None,
    *,
    checkpoint: Path | None = None,
    opset: int = 17,
    check: bool = True,
    progress: Progress = lambda step: None,
) -> AnyConversion:
    """Convert a Cell, or what "package.module:factory" makes, in inference mode.

    Args:
        cell: a Cell, or where to find one: a Cell, a class or a function without arguments.
        inputs: what each input is like; the batch size is free where the graph allows.
        output: the file to write; None is the Cell's name in this folder.
        checkpoint: the parameters to load, all of them, of any format with the Cell's names.
        opset: of ONNX, 11 to 21.
        check: compare with MindSpore, and write nothing if the results differ.
        progress: is told each step.

    Raises:
        TriportError: there is no such Cell, MindSpore cannot export it, or it holds what cannot be
            converted.
    """
    if not inputs:
        raise ConvertAnyError("a Cell needs the shape of each of its inputs: --input 1x3x224x224")
    environment.import_mindspore()
    name = cell if isinstance(cell, str) else type(cell).__name__
    if isinstance(cell, str):
        progress(f"building {cell}")
        cell = _find_cell(cell)
    cell.set_train(False)
    if checkpoint is not None:
        _load_parameters(cell, checkpoint)
    progress(f"tracing {name} in MindSpore")
    with exported_mindir(cell, *inputs) as path:
        graph = name_graph(read_mindir(path, label=f"{name} as MindIR"), cell, inputs)
    target = output or Path(f"{name.rpartition(':')[2].rpartition('.')[2]}.onnx")
    return _convert(graph, name, target, opset, (lambda: cell) if check else None, progress)


def _convert(
    graph: Graph,
    source: str,
    output: Path,
    opset: int,
    get_cell: Callable[[], Any] | None,
    progress: Progress,
) -> AnyConversion:
    if output.suffix.lower() != ".onnx":
        raise ConvertAnyError(f"{output}: an ONNX file's name ends in .onnx")
    progress("converting the graph")
    batch = "free"
    try:
        model = onnx_from_graph(graph, opset=opset)
    except BurntBatchError as error:
        model, batch = onnx_from_graph(graph, opset=opset, free_batch=False), f"fixed: {error}"
    if not any(dim.dim_param for value in model.graph.input for dim in _dims(value)):
        batch = "fixed: no input has a batch axis" if batch == "free" else batch
    data_name = f"{output.name}.data" if _num_bytes(model) >= EXTERNAL_DATA_BYTES else None
    with replacing(output) as temporary:
        progress(f"writing {output.name}")
        if data_name is None:
            _write(model, temporary, graph)
            comparison = _compare(temporary, model, graph, get_cell, progress)
        else:
            with replacing(output.with_name(data_name)) as data:
                _write_with_data(model, temporary, Path(data), graph)
                comparison = _compare(temporary, model, graph, get_cell, progress)
            _name_data(temporary, data_name)
        if batch == "free" and comparison.batch_problem:
            batch = f"fixed: {comparison.batch_problem}"
            model = onnx_from_graph(graph, opset=opset, free_batch=False)
            if data_name is None:
                _write(model, temporary, graph)
        done = AnyConversion(
            source=source,
            output=str(output) if comparison.passed else None,
            opset=opset,
            inputs=tuple(map(_describe, model.graph.input)),
            outputs=tuple(map(_describe, model.graph.output)),
            nodes=sum(node.op_type != "Constant" for node in model.graph.node),
            tensors_written=len(model.graph.initializer),
            batch=batch,
            comparison=comparison,
            left_out=tuple(describe_left_out(graph)),
        )
        if not comparison.passed:
            raise _NotEqualError(done)
    return done


class _NotEqualError(TriportError):
    """Carries a result out of `replacing`, which then keeps nothing."""

    def __init__(self, done: AnyConversion) -> None:
        super().__init__("\n".join(done.lines()))
        self.done = done


def result_of(run: Callable[[], AnyConversion]) -> AnyConversion:
    """Return what a conversion found, also where nothing was written because the results differ."""
    try:
        return run()
    except _NotEqualError as error:
        return error.done


def _compare(
    path: Path,
    model: onnx.ModelProto,
    graph: Graph,
    get_cell: Callable[[], Any] | None,
    progress: Progress,
) -> Comparison:
    if get_cell is None:
        return Comparison("not asked for")
    progress("comparing with MindSpore")
    is_free = any(dim.dim_param for value in model.graph.input for dim in _dims(value))
    return compare(path, list(graph.inputs.values()), get_cell, is_free)


def _write(model: onnx.ModelProto, path: Path, graph: Graph) -> None:
    import onnx

    path.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path), full_check=True)
    _check_round_trip(onnx.load(path), path.parent, graph)


def _write_with_data(model: onnx.ModelProto, path: Path, data: Path, graph: Graph) -> None:
    """Write the graph, and the initializers into a file beside it."""
    import onnx

    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            file.write(bytes(-file.tell() % ALIGNMENT))
            entries = {"location": data.name, "offset": str(file.tell()), "length": str(len(tensor.raw_data))}
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in entries.items():
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path), full_check=True)
    _check_round_trip(onnx.load(path, load_external_data=False), path.parent, graph)


def _name_data(path: Path, data_name: str) -> None:
    """Write the final name of the data file into the graph."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = data_name
    path.write_bytes(model.SerializeToString(deterministic=True))


def _check_round_trip(model: onnx.ModelProto, folder: Path, graph: Graph) -> None:
    """Compare the written initializers with the parameters, byte by byte."""
    parameters = {parameter.name: parameter.tensor for parameter in graph.parameters.values()}
    wrong = []
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if tensor.external_data:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            with (folder / entries["location"]).open("rb") as file:
                file.seek(int(entries["offset"]))
                data = file.read(int(entries["length"]))
        if data != parameters[tensor.name].data:
            wrong.append(tensor.name)
    if wrong:
        raise ConvertAnyError(f"{len(wrong)} tensors do not read back as they were written\n{listed(wrong)}")


def _num_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def _dims(value: onnx.ValueInfoProto) -> Any:
    return value.type.tensor_type.shape.dim


def _describe(value: onnx.ValueInfoProto) -> str:
    import onnx

    sizes = ", ".join(dim.dim_param or str(dim.dim_value) for dim in _dims(value))
    return (
        f"{value.name} ({sizes}) {onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()}"
    )


def _find_cell(where: str) -> Any:
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


def _load_parameters(cell: Any, path: Path) -> None:
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


def _load_mindir(path: Path) -> Any:
    """Return a .mindir file as a Cell."""
    mindspore = environment.import_mindspore()
    try:
        return mindspore.nn.GraphCell(mindspore.load(str(path)))
    except Exception as error:
        raise ExportError(f"MindSpore cannot load {path}: {error}") from error


__all__ = [
    "AnyConversion",
    "ConvertAnyError",
    "ExportError",
    "MindirError",
    "convert_cell",
    "convert_mindir",
    "result_of",
]
