"""Any MindSpore Cell or .mindir file to an ONNX file, compared with MindSpore before it is kept."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from triport.converters import environment
from triport.converters.formats import replacing
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.errors import (
    BATCH,
    ConverterFaultError,
    FixedBatchError,
    UnsupportedOperatorsError,
)
from triport.converters.mindir.export import ExportError, exported_mindir, name_graph
from triport.converters.mindir.graph import Graph, MindirError, UnknownSizeError
from triport.converters.mindir.origins import (
    CELL_OPTION,
    ConvertAnyError,
    GraphOrigin,
    Progress,
    find_cell,
    load_mindir,
    load_parameters,
    trace_unknown_batch,
)
from triport.converters.mindir.outputs import describe_left_out
from triport.converters.mindir.reader import read_mindir
from triport.converters.mindir.special_numbers import note_of
from triport.converters.mindir.tracing import Tracer, batch_sizes
from triport.converters.mindir.write_onnx import name_data, write, write_graph
from triport.converters.networks.arguments import parse_factory
from triport.converters.networks.factories import Made
from triport.converters.networks.input_specs import InputSpec
from triport.reference_models.errors import TriportError

from .batch_proof import MANY_IMAGES, find_problem_by_tracing, find_problem_image_by_image, name_difference
from .proof import compare
from .result import FREE, AnyConversion, NotEqualError, result_of
from .verdicts import OutputsVerdict

if TYPE_CHECKING:
    import onnx

EXTERNAL_DATA_BYTES = 1 << 31  # what a protobuf message may hold


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
    target = output or _default_output(source.stem)
    try:
        graph = read_mindir(source)
    except UnknownSizeError as error:
        if not error.is_only_batch:
            raise
        graph, origin = trace_unknown_batch(source, error, opset, check, progress)
    else:
        origin = GraphOrigin(str(source), (lambda: load_mindir(source)) if check else None)
    return _convert(graph, origin, target, opset, progress)


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
        cell: a Cell, where to find one (a Cell, a class or a function), or what a factory made.
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
    if isinstance(cell, Made):
        name, stem, cell = cell.net.text, cell.net.name, cell.network
    else:
        name = cell if isinstance(cell, str) else type(cell).__name__
        stem = parse_factory(cell, CELL_OPTION).name if isinstance(cell, str) else name
    target = output or _default_output(stem)
    if isinstance(cell, str):
        progress(f"building {cell}")
        cell = find_cell(cell)
    cell.set_train(False)
    if checkpoint is not None:
        load_parameters(cell, checkpoint)
    progress(f"tracing {name} in MindSpore")
    trace = Tracer(lambda: cell, inputs, opset)
    with exported_mindir(cell, *inputs) as path:
        graph = read_mindir(path, label=f"{name} as MindIR")
    # with the batch size at which it is compared first: MindSpore compiles a Cell for each, which takes long
    first, *_ = batch_sizes(trace.traced, sum(math.prod(spec.shape[1:]) for spec in inputs))
    graph = name_graph(graph, cell, trace.resized(first), inputs)
    trace.output_names = graph.output_names
    origin = GraphOrigin(name, (lambda: cell) if check else None, trace)
    return _convert(graph, origin, target, opset, progress)


def _default_output(name: str) -> Path:
    """Return where a graph of this name is written by default: nothing is replaced there."""
    output = Path(f"{name}.onnx")
    if output.exists():
        raise ConvertAnyError(
            f"{output}: is there already; nothing was written. Say -o {output} to replace it, or name "
            f"another output"
        )
    return output


def _convert(
    graph: Graph, origin: GraphOrigin, output: Path, opset: int, progress: Progress
) -> AnyConversion:
    if output.suffix.lower() != ".onnx":
        raise ConvertAnyError(f"{output}: an ONNX file's name ends in .onnx")
    progress("converting the graph")
    size = sum(len(parameter.tensor.data) for parameter in graph.parameters.values())
    data_name = f"{output.name}.data" if size >= EXTERNAL_DATA_BYTES else None
    batch, proof, problem = FREE, "", None
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
            if not comparison.passed:
                problem = None
                break
            judged = _judge_batch(path, model, graph, origin, comparison, progress)
            problem, proof = judged.problem, judged.proof
            if problem is None:
                batch = judged.claim
                if _declare_shapes(model, comparison, origin.trace):
                    write_graph(model, path)
                break
        if problem is not None:
            batch, proof = f"fixed: {problem}", ""
            model = _make(graph, origin, opset, free_batch=False)
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
            special_numbers=note_of(graph) or "",
        )
        if not comparison.passed:
            raise NotEqualError(done)
    return done


def _iterate_free(
    graph: Graph, origin: GraphOrigin, opset: int, progress: Progress
) -> Iterator[tuple[onnx.ModelProto | None, str | None]]:
    """Yield the graph with a free batch, and with what a second trace says of it; or why it is fixed."""
    before, fixed = None, ""
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
            if fixed and origin.trace is not None and origin.trace.difference:
                yield None, f"{origin.trace.difference}\n{fixed}"
            return
        try:
            model = _make(found, origin, opset)
        except FixedBatchError as error:
            fixed = str(error)
            yield None, fixed
            continue
        except UnsupportedOperatorsError as error:
            if not is_second:
                raise
            yield None, f"the code takes the images one by one: {error}"
            return
        if model != before:
            yield model, None
        before = model


def _make(graph: Graph, origin: GraphOrigin, opset: int, free_batch: bool = True) -> onnx.ModelProto:
    """Return the graph as ONNX; what a converter fails on that MindSpore has just traced is our own fault."""
    try:
        return onnx_from_graph(graph, opset=opset, free_batch=free_batch, input_names=origin.input_names)
    except ConverterFaultError as error:
        if origin.trace is None:  # the file may be damaged
            raise
        raise RuntimeError(str(error)) from error.__cause__


class _Judged(NamedTuple):
    """What speaks against a free batch, or None; by what it was proven, and what is said of it."""

    problem: str | None
    proof: str = ""
    claim: str = FREE


def _judge_batch(
    path: Path,
    model: onnx.ModelProto,
    graph: Graph,
    origin: GraphOrigin,
    comparison: OutputsVerdict,
    progress: Progress,
) -> _Judged:
    """Judge a free batch that the comparison does not speak against."""
    types, batched = list(graph.inputs.values()), _is_batched(model)
    traced = next(type_.shape[0] for type_, free in zip(types, batched, strict=True) if free)
    if comparison.batch_problem is not None:
        return _Judged(comparison.batch_problem + _name_operator(model, origin, traced))
    if origin.trace is None:
        progress("comparing images one by one with the batch")
        if importlib.util.find_spec("onnxruntime") is None:
            return _Judged("that it could be free was not proven: onnxruntime is not installed")
        problem = find_problem_image_by_image(path, model, types, batched)
        return _Judged(
            problem, f"tested with {traced} and 1: each image of the file's batch gives what it gives alone"
        )
    few = comparison.batch_sizes or batch_sizes(traced)
    asked = origin.trace.asked((traced, *few, MANY_IMAGES))
    if comparison.batch_sizes:
        progress("tracing with many images")
        traces: tuple[int, ...] = (MANY_IMAGES,)
        proof = (
            f"tested: compared with MindSpore at {_joined(comparison.batch_sizes)}, other images each time; "
            f"traced with "
        )
    else:
        progress("tracing with other batch sizes")
        if importlib.util.find_spec("onnxruntime") is None:
            return _Judged("that it could be free was not proven: onnxruntime is not installed")
        traces = (*few, MANY_IMAGES)
        proof = "tested: MindSpore traces the same graph with batch sizes "
    problem, refused = find_problem_by_tracing(path, model, traces, origin.trace, asked.sizes)
    sizes = (traced, *traces, *(size for size in asked.sizes if size not in refused))
    unseen = asked.unseen
    if refused and not unseen:
        unseen = f"its code asks for {_joined(refused)}, with which MindSpore does not export it"
    if unseen:
        checked = sorted({*comparison.batch_sizes, *sizes})
        return _Judged(problem, proof + _joined(sizes), f"checked at {_joined(checked)} only: {unseen}")
    return _Judged(problem, proof + _joined(sizes))


def _joined(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def _name_operator(model: onnx.ModelProto, origin: GraphOrigin, traced: int) -> str:
    """Return a phrase with the operator that depends on the batch size, "" if that is not known."""
    if origin.trace is None:
        return ""
    try:
        return name_difference(model, origin.trace(batch_sizes(traced)[0], True))
    except TriportError:  # it cannot be traced so
        return ""


def _declare_shapes(model: onnx.ModelProto, comparison: OutputsVerdict, trace: Tracer | None) -> bool:
    """Let the declared output shapes be those that were seen; return whether any was another."""
    is_changed = False
    seen: list[tuple[int, Sequence[Sequence[int]]]] = [
        *zip(comparison.batch_sizes, comparison.output_shapes, strict=True),
        *(trace.output_shapes.items() if trace is not None else ()),
    ]
    for place, output in enumerate(model.graph.output):
        for axis, dim in enumerate(_dims(output)):
            sizes = [(size, shapes[place][axis]) for size, shapes in seen if axis < len(shapes[place])]
            if not sizes:
                continue
            declared: int | str = f"{output.name}_{axis}"
            if len({found for _, found in sizes}) == 1:
                declared = sizes[0][1]
            elif all(found == size for size, found in sizes):
                declared = BATCH
            if declared != (dim.dim_param or dim.dim_value):
                is_changed = True
                dim.Clear()
                if isinstance(declared, str):
                    dim.dim_param = declared
                else:
                    dim.dim_value = declared
    return is_changed


def _compare(
    path: Path, model: onnx.ModelProto, graph: Graph, origin: GraphOrigin, progress: Progress
) -> OutputsVerdict:
    if origin.get_cell is None:
        return OutputsVerdict("not asked for")
    progress("comparing with MindSpore")
    # a .mindir file has shapes of one batch size: MindSpore cannot be asked for another
    sizes_are_free = origin.trace is not None and any(_is_batched(model))
    return compare(path, list(graph.inputs.values()), origin.get_cell, sizes_are_free)


def _is_batched(model: onnx.ModelProto) -> list[bool]:
    """Return of each input whether its first axis is free."""
    return [any(dim.dim_param for dim in _dims(value)) for value in model.graph.input]


def _dims(value: onnx.ValueInfoProto) -> Any:
    return value.type.tensor_type.shape.dim


def _describe(value: onnx.ValueInfoProto) -> str:
    import onnx

    sizes = ", ".join(dim.dim_param or str(dim.dim_value) for dim in _dims(value))
    return (
        f"{value.name} ({sizes}) {onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()}"
    )


__all__ = [
    "AnyConversion",
    "ConvertAnyError",
    "ExportError",
    "MindirError",
    "convert_cell",
    "convert_mindir",
    "result_of",
]
