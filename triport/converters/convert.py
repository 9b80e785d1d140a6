"""Conversion: one checkpoint in, the same weights out for another runtime, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from triport.converters.cautions import assumptions, cautions, loaders
from triport.converters.conversion import SHIPPED, Conversion
from triport.converters.default_output import check_not_taken, default_output
from triport.converters.finite import FiniteTensor, NotFiniteError, count_not_finite, least, why_not_finite
from triport.converters.formats import (
    FLOATS,
    Checkpoint,
    check_target,
    file_sha256,
    open_checkpoint,
    write_checkpoint,
)
from triport.converters.graphs.verdict import GraphVerdict, graph_verdict
from triport.converters.identification.fit import Fit
from triport.converters.identification.identify import PARAMETER_DTYPES, identify
from triport.converters.names import COUNTER_LEAF, get_dialect, name_map, reference_dialect
from triport.converters.provenance import FOLDED_KEY, provenance, source_dialect
from triport.converters.request import ConvertError, ConvertRequest
from triport.converters.statements.judge import epsilons
from triport.converters.statements.preparation import Preparation, preparation_of
from triport.reference_models.errors import counted, listed
from triport.reference_models.spec import Dialect, ModelSpec, Runtime

if TYPE_CHECKING:
    import numpy as np
    import onnx


Progress = Callable[[str], None]
LeftOut = tuple[tuple[str, str], ...]  # names of the source that were not used, and why


def convert(
    source: Path | None, request: ConvertRequest, progress: Progress = lambda step: None
) -> Conversion:
    """Convert a checkpoint for another runtime; the output is complete and checked, or not there.

    Args:
        source: any supported file; None is the small trained model that triport ships.
        request: what to write, and what the source must be.
        progress: is told each step.

    Raises:
        TriportError: the source is not fit to be converted, or the output cannot be written.
    """
    path = SHIPPED if source is None else source
    progress(f"reading {path.name}")
    request.check_weights()
    job = _read(path, request)
    rounding = None
    if request.dtype is not None:
        from triport.converters.dtypes import converted

        check_finite(job.checkpoint, job.found)
        progress(f"converting to {request.dtype}")
        tensors, rounding = converted(job.checkpoint.tensors, request.dtype)
        job = job._replace(checkpoint=replace(job.checkpoint, tensors=tensors))
    write = _write_onnx if request.to == "onnx" else _write_weights
    tensors_written, dropped = write(job, request, progress)
    checkpoint, found = job.checkpoint, job.found
    return Conversion(
        source=str(path),
        output=str(job.output),
        model=found.spec.name,
        source_runtime=checkpoint.runtime,
        target_runtime=request.to,
        dialect=job.written.name,
        num_classes=found.num_classes,
        tensors_written=tensors_written,
        dropped=dropped,
        warnings=(
            *checkpoint.notes,
            *found.notes,
            *cautions(checkpoint, found, job.written, request.to, request.model is not None, job.prepared),
            *_names_of_another(request.dialect, job.written),
        ),
        rounding=rounding,
        assumed=assumptions(found, job.prepared),
        loads_in=() if request.to == "onnx" else tuple(loaders(found.spec, job.written)),
        graph_not_compared=job.graph_not_compared,
    )


class _Job(NamedTuple):
    """A source that was read and identified, and what becomes of it.

    `metadata` is what the output states of itself; `written` is whose names it gets.
    """

    checkpoint: Checkpoint
    found: Fit
    prepared: Preparation
    graph_not_compared: str | None
    output: Path
    written: Dialect

    def metadata(self, source_sha256: str | None = None, size: int | str | None = None) -> dict[str, str]:
        """Return what the output states of itself; for another image size, how images of it are prepared."""
        spec, prepared = self.found.spec, self.prepared
        preprocess = prepared.preprocess
        if isinstance(size, int) and preprocess is not None and size != preprocess.crop_px:
            from triport.converters.onnx_export.size import prepared_at

            by = f"{prepared.by}; scaled from {preprocess.crop_px} to {size} px"
            prepared = Preparation(prepared_at(preprocess, size), "assumed", by)
        origin = source_dialect(self.checkpoint.metadata, spec, self.found.dialect.name)
        return provenance(
            spec,
            self.found.num_classes,
            origin,
            source_sha256,
            preprocess=prepared.preprocess,
            preprocess_known=str(prepared),
        )


def _read(path: Path, request: ConvertRequest) -> _Job:
    """Read the source, find its model, and make sure that the output replaces nothing that is needed."""
    checkpoint = open_checkpoint(path, request.selection)
    if request.source_runtime not in (None, checkpoint.runtime):
        raise ConvertError(
            f"{path}: is a checkpoint of {checkpoint.runtime}, not of "
            f"{request.source_runtime}. Use --from {checkpoint.runtime}, or leave --from out"
        )
    dtypes = FLOATS if request.dtype else PARAMETER_DTYPES
    found = identify(checkpoint, request.model, dtypes, request.with_head)
    graph = check_graph(checkpoint, found)
    if graph is not None:
        found = found._replace(notes=(*found.notes, *graph.notes))
    prepared = request.prepared
    if prepared is None:
        prepared = preparation_of(checkpoint, found.spec, found.dialect.name, request.model)
    output = request.output
    if output is None:
        output = default_output(path, request.to)
        check_not_taken(output, checkpoint)
    for one in (checkpoint.path, *checkpoint.files):
        if output.exists() and output.samefile(one):
            which = "the source itself" if one == checkpoint.path else f"{path}'s own external data"
            raise ConvertError(f"{output}: is {which}. Name another output with -o")
    written = _target_dialect(found.spec, request.to, request.dialect)
    return _Job(checkpoint, found, prepared, graph.not_compared if graph else None, output, written)


def check_graph(checkpoint: Checkpoint, found: Fit) -> GraphVerdict | None:
    """Refuse a file whose graph is not its model's: the same weights are another function there.

    Returns:
        What became of comparing the graphs; None where the file has none.

    Raises:
        ConvertError: the graphs differ; the message lists where.
    """
    verdict = graph_verdict(checkpoint, found.spec, found.names)
    if verdict is None or not verdict.differences:
        return verdict
    raise ConvertError(
        f"{checkpoint.path}: has the parameters of {found.spec.name} and another graph, in "
        f"{counted(len(verdict.differences), 'place')}\n"
        f"{listed(verdict.differences)}\n"
        f"As far as this tells, its weights compute something else in {found.spec.name}, so nothing was "
        "written. `parity` says how far the file is from the model; export the network again as the model "
        f"has it, or use the ONNX file as it is; `convert {checkpoint.path} --to pytorch -o DIR` writes its "
        "own graph's source and weights"
    )


class LoadedCheckpoint(NamedTuple):
    """A checkpoint read whole: parameters and buffers by canonical name, float32."""

    spec: ModelSpec
    num_classes: int
    runtime: str
    parameters: Mapping[str, np.ndarray]


def read_parameters(path: Path, model: str | None = None) -> LoadedCheckpoint:
    """Read a checkpoint of any format as arrays by canonical name.

    Raises:
        TriportError: it is of no known model, or of another one than `model`, or damaged, or has
            NaN or Inf in it.
    """
    checkpoint = open_checkpoint(path)
    found = identify(checkpoint, model)
    check_finite(checkpoint, found)
    return LoadedCheckpoint(
        found.spec, found.num_classes, checkpoint.runtime, parameters_of(checkpoint, found)
    )


def parameters_of(checkpoint: Checkpoint, found: Fit) -> dict[str, np.ndarray]:
    """Return a checkpoint's parameters and buffers as arrays, by canonical name, counters left out."""
    return {
        ours: checkpoint.tensors[theirs].numpy()
        for ours, theirs in found.names.items()
        if not ours.endswith(COUNTER_LEAF)
    }


def check_finite(checkpoint: Checkpoint, found: Fit) -> None:
    """Read every value that will be used.

    Raises:
        ConvertError: NaN or Inf, or variances that make NaN; the message lists the tensors.
    """
    problems, spoiled = [], []
    for theirs in found.names.values():
        tensor = checkpoint.tensors[theirs]
        bad = count_not_finite(tensor) if tensor.dtype in FLOATS else 0
        if bad:
            spoiled.append(tensor)
            problems.append(f"{theirs}: {bad} of {counted(tensor.count, 'value')}")
    if problems:
        raise ConvertError(
            f"{checkpoint.path}: NaN or Inf in {len(problems)} of {counted(len(found.names), 'tensor')}\n"
            f"{listed(problems)}\n" + why_not_finite(spoiled)
        )
    _check_variances(checkpoint, found)


def _check_variances(checkpoint: Checkpoint, found: Fit) -> None:
    """Raise ConvertError for variances of norms so far below 0 that their square root is NaN."""
    below = {
        theirs: value
        for ours, theirs in found.names.items()
        if ours.endswith(".running_var") and (value := least(checkpoint.tensors[theirs])) < 0
    }
    limit = -max(epsilons(found.spec), default=0.0) if below else 0.0
    problems = [f"{name}: {value:.6g}" for name, value in below.items() if value < limit]
    if problems:
        raise ConvertError(
            f"{checkpoint.path}: {counted(len(problems), 'BatchNorm layer has', 'BatchNorm layers have')} "
            f"variances below 0, of which the network makes NaN\n{listed(problems)}\n"
            f"No training leaves such values: get the file again, or take another checkpoint"
        )


def _names_of_another(asked: str | None, written: Dialect) -> Iterator[str]:
    """Say whose names a publisher's architecture has, where they are called after another one."""
    if asked not in (None, written.name):
        yield f"the names that {asked} has for this model are {written.name}'s"


def _target_dialect(spec: ModelSpec, to: Runtime, dialect: str | None) -> Dialect:
    if dialect is None:
        return reference_dialect(spec, to)
    if to == "onnx":
        raise ConvertError("an ONNX file's initializers have the canonical names: leave --dialect out")
    # a publisher may have an architecture under another one's names: timm's ResNets are called as
    # torchvision's
    own = {one.dialect for one in spec.architectures if one.publisher == dialect}
    if dialect not in {one.name for one in spec.dialects if one.runtime == to} and len(own) == 1:
        return get_dialect(spec, own.pop(), to)
    return get_dialect(spec, dialect, to)


def _dropped(found: Fit, unused: Callable[[str], bool]) -> LeftOut:
    counters = [theirs for ours, theirs in found.names.items() if unused(ours)]
    return (
        *found.dropped,
        *((name, "counts training batches; the target has no such buffer") for name in counters),
    )


def _write_weights(job: _Job, request: ConvertRequest, progress: Progress) -> tuple[int, LeftOut]:
    """Write a checkpoint; return how many tensors it has, and what of the source is not in it."""
    checkpoint, found = job.checkpoint, job.found
    check_target(job.output, request.to)
    _check_variances(checkpoint, found)
    names = name_map(found.spec, job.written)
    # watched while they are copied: reading 100 MB once more costs half a copy
    tensors = {
        names[ours]: FiniteTensor(checkpoint.tensors[theirs])
        for ours, theirs in found.names.items()
        if ours in names
    }
    progress(f"writing {job.output.name}")
    metadata = None if request.plain else job.metadata()
    try:
        write_checkpoint(job.output, request.to, tensors, metadata, crc=request.crc)
    except NotFiniteError:
        check_finite(checkpoint, found)
        raise
    return len(tensors), _dropped(found, lambda name: name not in names)


def _write_onnx(job: _Job, request: ConvertRequest, progress: Progress) -> tuple[int, LeftOut]:
    """Write the model's graph with the parameters in it; return as `_write_weights` does."""
    from triport.converters.onnx_export import written_model
    from triport.converters.onnx_export.writing import write_model

    check_finite(job.checkpoint, job.found)
    output, opset = job.output, request.opset
    if output.suffix.lower() != ".onnx":
        raise ConvertError(f"{output}: an ONNX file's name ends in .onnx")
    if opset not in written_model.OPSETS:
        raise ConvertError(
            f"--opset {opset}: {written_model.OPSETS[0]} to {written_model.OPSETS[-1]} can be written"
        )
    metadata = job.metadata(file_sha256(job.checkpoint.path), request.size)
    model = _traced(job, request, progress)
    tensors = {
        ours: job.checkpoint.tensors[theirs]
        for ours, theirs in job.found.names.items()
        if not ours.endswith(COUNTER_LEAF)
    }
    if request.optimize or request.dtype == "float16":
        model = _with_changed_weights(job, request, model, progress)
        tensors = {}
    if request.optimize:
        metadata = {**metadata, FOLDED_KEY: "BatchNorm"}
    written_model.set_metadata(model, metadata)
    progress(f"writing {output.name}")
    count = len(model.graph.initializer) + len(tensors)
    write_model(output, model, tensors)
    return count, _dropped(job.found, lambda name: name.endswith(COUNTER_LEAF))


def _traced(job: _Job, request: ConvertRequest, progress: Progress) -> onnx.ModelProto:
    """Return the model's graph without weights, of the size that is asked for."""
    from triport.converters.onnx_export import exporter_at_hand
    from triport.converters.onnx_export.size import at_size, of_every_size

    exporter, spec = exporter_at_hand(job.checkpoint.runtime), job.found.spec

    def trace(sized: ModelSpec) -> onnx.ModelProto:
        progress(f"tracing {spec.name} in {exporter.framework} at {sized.input_size_px} px")
        return exporter.trace(sized, job.found.num_classes, opset=request.opset)

    if request.size == "free":
        return of_every_size(spec, trace)
    return trace(at_size(spec, None if request.size is None else int(request.size)))


def _with_changed_weights(
    job: _Job, request: ConvertRequest, model: onnx.ModelProto, progress: Progress
) -> onnx.ModelProto:
    """Return a graph with weights that are not the checkpoint's own: folded, or in float16.

    Raises:
        ConvertError: weights in float16 are not those of the checkpoint.
    """
    from triport.converters.onnx_export.written_model import with_parameters

    parameters = parameters_of(job.checkpoint, job.found)
    # what float16 has, float32 has too: the graph is made in float32, whatever the parameters are
    wide = {name: array.astype("float32", copy=False) for name, array in parameters.items()}
    model = with_parameters(model, wide)
    if request.optimize:
        from triport.converters.onnx_export.optimize import optimized

        progress("folding BatchNorm")
        model = optimized(model)
    if request.dtype == "float16":
        from triport.converters.onnx_export.half import in_float16

        progress("converting the graph to float16")
        model = in_float16(model, keep_io=request.io_dtype == "float32")
    if not request.optimize:
        _check_stored(model, parameters)
    return model


def _check_stored(model: onnx.ModelProto, parameters: Mapping[str, np.ndarray]) -> None:
    """Raise ConvertError unless a model has every parameter's values bit for bit, or in a wider type."""
    import onnx

    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    wrong = [
        name
        for name, array in parameters.items()
        if name not in stored or array.astype(stored[name].dtype).tobytes() != stored[name].tobytes()
    ]
    if wrong:
        raise ConvertError(
            f"{counted(len(wrong), 'tensor is', 'tensors are')} not those of the checkpoint:\n{listed(wrong)}"
        )
