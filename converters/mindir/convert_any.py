"""Any MindSpore Cell or .mindir file to an ONNX file, compared with MindSpore before it is kept."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import environment
from converters.formats import open_checkpoint, replacing
from reference_models.errors import TriportError, listed

from .batch_proof import find_problem_by_tracing, find_problem_image_by_image, name_difference
from .check import batch_sizes, compare
from .emit import BATCH, BurntBatchError, onnx_from_graph
from .export import ExportError, InputSpec, exported_mindir, name_graph
from .limits import MAX_BYTES, find_too_large
from .outputs import describe_left_out
from .reader import Graph, MindirError, UnknownSizeError, read_mindir
from .tracing import Tracer
from .verdicts import Comparison
from .write_onnx import name_data, write, write_graph

if TYPE_CHECKING:
    import onnx

EXTERNAL_DATA_BYTES = 1 << 31  # what a protobuf message may hold
UNKNOWN_TRACED_WITH = 2  # images, for a file whose batch size is unknown

Progress = Callable[[str], None]


class ConvertAnyError(TriportError):
    """What was asked for makes no sense."""


@dataclass(frozen=True, slots=True)
class AnyConversion:
    """What a conversion did; `batch` says whether the batch axis is free, and why if it is not.

    `batch_proof` says by what a free batch was proven.
    """

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
    batch_proof: str = ""

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
            "batch_proof": self.batch_proof,
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
            *([("", self.batch_proof)] if self.batch_proof else []),
            ("compared", str(self.comparison)),
            *(("warning", text) for text in self.comparison.warnings),
        ]
        title = "Converted" if self.passed else "Not converted"
        return [title, *(f"  {name:<11} {text}" for name, text in rows)]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a graph is from.

    `get_cell` is None where it shall not be compared, `trace` where it is a file with one batch size.
    """

    name: str
    get_cell: Callable[[], Any] | None
    trace: Tracer | None = None
    input_names: list[str] | None = None


def convert_mindir(
    source: Path,
    output: Path | None = None,
    *,
    opset: int = 17,
    check: bool = True,
    progress: Progress = lambda step: None,
) -> AnyConversion:
    """Convert a .mindir file; MindSpore is only needed for the comparison, and not missed.

    A file whose batch size is unknown is traced by MindSpore, which then is needed.

    Raises:
        TriportError: the file cannot be read, or holds what cannot be converted.
    """
    progress(f"reading {source.name}")
    target = output or Path(source.with_suffix(".onnx").name)
    try:
        graph = read_mindir(source)
    except UnknownSizeError as error:
        if not error.is_only_batch:
            raise
        cell, specs = _load_mindir(source), _specs_of(error)
        progress(f"tracing {source.name} in MindSpore with a batch of {UNKNOWN_TRACED_WITH}")
        with exported_mindir(cell, *specs) as path:
            graph = read_mindir(path)
        names = [name.rpartition(":")[2] for name in error.inputs] if len(specs) > 1 else None
        trace = Tracer(cell, specs, opset, names)
        origin = _Origin(str(source), (lambda: cell) if check else None, trace, names)
    else:
        origin = _Origin(str(source), (lambda: _load_mindir(source)) if check else None)
    return _convert(graph, origin, target, opset, progress)


def _specs_of(error: UnknownSizeError) -> list[InputSpec]:
    """Return how to trace a file whose batch size is unknown."""
    from onnx import helper

    return [
        InputSpec(
            tuple(UNKNOWN_TRACED_WITH if size < 0 else size for size in type_.shape),
            helper.tensor_dtype_to_np_dtype(type_.elem_type).name,
        )
        for type_ in error.inputs.values()
    ]


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
    trace = Tracer(cell, inputs, opset, output_names=graph.output_names)
    origin = _Origin(name, (lambda: cell) if check else None, trace)
    return _convert(graph, origin, target, opset, progress)


def _convert(graph: Graph, origin: _Origin, output: Path, opset: int, progress: Progress) -> AnyConversion:
    if output.suffix.lower() != ".onnx":
        raise ConvertAnyError(f"{output}: an ONNX file's name ends in .onnx")
    problem = find_too_large(graph)
    if problem is not None:
        raise ConvertAnyError(
            f"{origin.name}: {problem}, and what is converted is also run, with at most "
            f"{MAX_BYTES >> 30} GiB: trace it with a smaller batch or smaller inputs"
        )
    progress("converting the graph")
    size = sum(len(parameter.tensor.data) for parameter in graph.parameters.values())
    data_name = f"{output.name}.data" if size >= EXTERNAL_DATA_BYTES else None
    batch, proof, problem = "free", "", None
    with ExitStack() as stack:
        path = stack.enter_context(replacing(output))
        data = stack.enter_context(replacing(output.with_name(data_name))) if data_name else None
        for model, problem in _iterate_free(graph, origin, opset, progress):
            if model is None:
                continue
            progress(f"writing {output.name}")
            write(model, path, data, graph)
            comparison = _compare(path, model, graph, origin, progress)
            if not any(_is_batched(model)):
                batch = "fixed: no input has a batch axis"
                break
            problem, proof = _judge_batch(path, model, graph, origin, comparison, progress)
            if problem is None:
                if _declare_shapes(model, comparison):
                    write_graph(model, path)
                break
        if problem is not None:
            batch, proof = f"fixed: {problem}", ""
            model = onnx_from_graph(graph, opset=opset, free_batch=False, input_names=origin.input_names)
            progress(f"writing {output.name} with a fixed batch")
            write(model, path, data, graph)
            comparison = _compare(path, model, graph, origin, progress)
        assert model is not None
        if data_name is not None:
            name_data(model, path, data_name)
        done = AnyConversion(
            source=origin.name,
            output=str(output) if comparison.passed else None,
            opset=opset,
            inputs=tuple(map(_describe, model.graph.input)),
            outputs=tuple(map(_describe, model.graph.output)),
            nodes=sum(node.op_type != "Constant" for node in model.graph.node),
            tensors_written=len(model.graph.initializer),
            batch=batch,
            comparison=comparison,
            left_out=tuple(describe_left_out(graph)),
            batch_proof=proof,
        )
        if not comparison.passed:
            raise _NotEqualError(done)
    return done


def _iterate_free(
    graph: Graph, origin: _Origin, opset: int, progress: Progress
) -> Iterator[tuple[onnx.ModelProto | None, str | None]]:
    """Yield the graph with a free batch, and with what a second trace says of it; or why it is fixed."""
    before = None
    for is_second in (False, True):
        found: Graph | None = graph
        if is_second:
            if origin.trace is None:
                return
            progress("tracing with another batch size")
            try:
                found = origin.trace.learn(graph)
            except TriportError:  # it cannot be traced so
                found = None
        if found is None:
            return
        try:
            model = onnx_from_graph(found, opset=opset, input_names=origin.input_names)
        except BurntBatchError as error:
            yield None, str(error)
            continue
        if model != before:
            yield model, None
        before = model


def _judge_batch(
    path: Path,
    model: onnx.ModelProto,
    graph: Graph,
    origin: _Origin,
    comparison: Comparison,
    progress: Progress,
) -> tuple[str | None, str]:
    """Return what speaks against a free batch, or None, and by what it was proven then."""
    types, batched = list(graph.inputs.values()), _is_batched(model)
    traced = next(type_.shape[0] for type_, free in zip(types, batched, strict=True) if free)
    if comparison.batch_problem is not None:
        return comparison.batch_problem + _name_operator(model, origin, traced), ""
    sizes = ", ".join(map(str, comparison.batch_sizes))
    if origin.trace is None:
        progress("comparing images one by one with the batch")
        if importlib.util.find_spec("onnxruntime") is None:
            return "that it could be free was not proven: onnxruntime is not installed", ""
        problem = find_problem_image_by_image(path, model, types, batched)
        return problem, "each image gives what it gives alone" + (
            f"; compared with MindSpore at batch sizes {sizes}" if sizes else "; not compared with MindSpore"
        )
    if comparison.batch_sizes:
        return None, f"traced with {traced}, compared with MindSpore at {sizes}, other images each time"
    progress("tracing with other batch sizes")
    if importlib.util.find_spec("onnxruntime") is None:
        return "that it could be free was not proven: onnxruntime is not installed", ""
    problem = find_problem_by_tracing(path, model, traced, origin.trace)
    sizes = ", ".join(map(str, batch_sizes(traced)))
    return problem, f"MindSpore traces the same graph with batch sizes {traced}, {sizes}"


def _name_operator(model: onnx.ModelProto, origin: _Origin, traced: int) -> str:
    """Return a phrase with the operator that depends on the batch size, "" if that is not known."""
    if origin.trace is None:
        return ""
    try:
        return name_difference(model, origin.trace(batch_sizes(traced)[0], True))
    except TriportError:  # it cannot be traced so
        return ""


def _declare_shapes(model: onnx.ModelProto, comparison: Comparison) -> bool:
    """Let the declared output shapes be those that were seen; return whether any was another."""
    is_changed = False
    for place, output in enumerate(model.graph.output):
        seen = [shapes[place] for shapes in comparison.output_shapes]
        for axis, dim in enumerate(_dims(output)):
            sizes = tuple(shape[axis] for shape in seen)
            if not sizes:
                continue
            if sizes == comparison.batch_sizes:
                declared: int | str = BATCH
            else:
                declared = sizes[0] if len(set(sizes)) == 1 else f"{output.name}_{axis}"
            if declared != (dim.dim_param or dim.dim_value):
                is_changed = True
                dim.Clear()
                if isinstance(declared, str):
                    dim.dim_param = declared
                else:
                    dim.dim_value = declared
    return is_changed


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
    path: Path, model: onnx.ModelProto, graph: Graph, origin: _Origin, progress: Progress
) -> Comparison:
    if origin.get_cell is None:
        return Comparison("not asked for")
    progress("comparing with MindSpore")
    return compare(path, list(graph.inputs.values()), origin.get_cell, any(_is_batched(model)))


def _is_batched(model: onnx.ModelProto) -> list[bool]:
    """Return of each input whether its first axis is free."""
    return [any(dim.dim_param for dim in _dims(value)) for value in model.graph.input]


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
