"""Conversion: one checkpoint in, the same weights out for another runtime, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from triport.converters.cautions import assumptions, cautions, loaders
from triport.converters.finite import FiniteTensor, NotFiniteError, count_not_finite
from triport.converters.formats import (
    FLOATS,
    WHOLE_FILE,
    Checkpoint,
    Selection,
    check_target,
    file_sha256,
    open_checkpoint,
    replacing,
    write_checkpoint,
)
from triport.converters.graphs.verdict import graph_verdict
from triport.converters.identify import PARAMETER_DTYPES, Fit, identify
from triport.converters.names import COUNTER_LEAF, get_dialect, name_map, reference_dialect
from triport.converters.provenance import FOLDED_KEY, SOURCE_SHA256_KEY, provenance, source_dialect
from triport.converters.statements.preparation import Preparation, preparation_of
from triport.reference_models.errors import TriportError, listed
from triport.reference_models.spec import Architecture, Dialect, ModelSpec, Runtime

if TYPE_CHECKING:
    import numpy as np

    from triport.converters.dtypes import Rounding

DEFAULT_SUFFIX = {"mindspore": ".ckpt", "pytorch": ".pth", "onnx": ".onnx"}
SHIPPED = Path(__file__).parents[1] / "shipped" / "res2net_digits.ckpt"

Progress = Callable[[str], None]


class ConvertError(TriportError):
    """A conversion that was asked for makes no sense, or the weights are not fit to be converted."""


class Conversion(NamedTuple):
    """What a conversion did.

    `dropped` lists the source's names that were not used, and why; `assumed` what nothing in the source says
    and was taken for granted; `loads_in` the publishers' own architectures that load what was written.
    `graph_not_compared` says why the source's graph was not held against the model's, None where it was.
    """

    source: str
    output: str
    model: str
    source_runtime: str
    target_runtime: str
    dialect: str
    num_classes: int
    tensors_written: int
    dropped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    rounding: Rounding | None = None
    assumed: tuple[str, ...] = ()
    loads_in: tuple[Architecture, ...] = ()
    graph_not_compared: str | None = None

    @property
    def round_trip(self) -> str:
        """How what was read back compares with what was to be written."""
        words = f"bit-equal to the values in {self.rounding.dtype}" if self.rounding else "bit-equal"
        return words if self.graph_not_compared is None else f"{words}; the graph was not compared"

    def as_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        return {
            "source": self.source,
            "output": self.output,
            "model": self.model,
            "from": self.source_runtime,
            "to": self.target_runtime,
            "dialect": self.dialect,
            "num_classes": self.num_classes,
            "tensors_written": self.tensors_written,
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "round_trip": self.round_trip,
            "warnings": list(self.warnings),
            "assumed": list(self.assumed),
            "loads_in": [asdict(one) for one in self.loads_in],
            "graph_not_compared": self.graph_not_compared,
            **({"rounding": self.rounding.as_dict()} if self.rounding else {}),
        }


def convert(
    source: Path | None,
    *,
    to: Runtime,
    output: Path | None = None,
    source_runtime: Runtime | None = None,
    model: str | None = None,
    dialect: str | None = None,
    dtype: str | None = None,
    opset: int = 17,
    optimize: bool = False,
    crc: bool = False,
    plain: bool = False,
    prepared: Preparation | None = None,
    selection: Selection = WHOLE_FILE,
    with_head: bool = True,
    progress: Progress = lambda step: None,
) -> Conversion:
    """Convert a checkpoint for another runtime; the output is complete and checked, or not there.

    Args:
        source: any supported file; None is the small trained model that triport ships.
        to: the runtime to write for.
        output: the file to write; None is the source's name with the runtime's suffix, in the
            working directory.
        source_runtime: what the source must be; None takes what it is.
        model: a model's or published weights' name; None finds it from names and shapes.
        dialect: whose names to write; None takes those of the definition in `reference_models`.
        dtype: convert the values to float16, bfloat16 or float32; None takes float32 weights only.
        opset: for ONNX, 13 to 21.
        optimize: for ONNX, fold BatchNorm into the convolutions: faster, no longer convertible.
        crc: for .ckpt, end the file with the CRC-32 that MindSpore's crc_check=True compares.
        plain: for .ckpt, write the bytes that MindSpore would, which do not say what model they are of.
        prepared: what the output states of how images are prepared; None is what the source states, or
            else its publisher's, which is then said to be assumed.
        selection: which tensors of the source are meant, where it holds more than one network.
        with_head: whether the last layer must be there; without it, it is not written either.
        progress: is told each step.

    Raises:
        TriportError: the source is not fit to be converted, or the output cannot be written.
    """
    path = SHIPPED if source is None else source
    progress(f"reading {path.name}")
    if not with_head and to == "onnx":
        raise ConvertError("--no-head: a graph needs its head; weights alone go to pytorch or mindspore")
    checkpoint = open_checkpoint(path, selection)
    if source_runtime is not None and checkpoint.runtime != source_runtime:
        raise ConvertError(
            f"{path}: is a {checkpoint.runtime} checkpoint ({checkpoint.format}), not {source_runtime}. "
            f"Use --from {checkpoint.runtime}, or leave --from out"
        )
    found = identify(checkpoint, model, FLOATS if dtype else PARAMETER_DTYPES, with_head)
    if dtype not in (None, "float32") and to == "onnx":
        raise ConvertError(
            f"--dtype {dtype}: an ONNX file is written in float32; only weights can be {dtype}"
        )
    if crc and to == "onnx":
        raise ConvertError("--crc: an ONNX file has no place for a CRC; only a .ckpt has")
    if plain and (to != "mindspore" or (output is not None and output.suffix.lower() != ".ckpt")):
        raise ConvertError("--plain: only a .ckpt is written as MindSpore itself would, byte by byte")
    not_compared = _check_graph(checkpoint, found)
    if prepared is None:
        prepared = preparation_of(checkpoint, found.spec, found.dialect.name, model)
    origin = source_dialect(checkpoint.metadata, found.spec, found.dialect.name)
    if output is None:
        output = Path(path.absolute().with_suffix(DEFAULT_SUFFIX[to]).name)
        _check_not_taken(output, checkpoint)
    for one in (checkpoint.path, *checkpoint.files):
        if output.exists() and output.samefile(one):
            which = "the source itself" if one == checkpoint.path else f"{path}'s own external data"
            raise ConvertError(f"{output}: is {which}. Name another output with -o")
    written = _target_dialect(found.spec, to, dialect)
    rounding = None
    if dtype is not None:
        from triport.converters.dtypes import converted

        check_finite(checkpoint, found)
        progress(f"converting to {dtype}")
        tensors, rounding = converted(checkpoint.tensors, dtype)
        checkpoint = replace(checkpoint, tensors=tensors)
    if to == "onnx":
        check_finite(checkpoint, found)
        digest = file_sha256(checkpoint.path)
        metadata = provenance(
            found.spec, found.num_classes, origin, digest, prepared.preprocess, str(prepared)
        )
        tensors_written = _write_onnx(checkpoint, found, output, opset, optimize, metadata, progress)
        dropped = _dropped(found, lambda name: name.endswith(COUNTER_LEAF))
    else:
        check_target(output, to)
        names = name_map(found.spec, written)
        metadata = provenance(
            found.spec,
            found.num_classes,
            origin,
            preprocess=prepared.preprocess,
            preprocess_known=str(prepared),
        )
        # watched while they are copied: reading 100 MB once more costs half a copy
        tensors = {
            names[ours]: FiniteTensor(checkpoint.tensors[theirs])
            for ours, theirs in found.names.items()
            if ours in names
        }
        progress(f"writing {output.name}")
        try:
            write_checkpoint(output, to, tensors, None if plain else metadata, crc=crc)
        except NotFiniteError:
            check_finite(checkpoint, found)
            raise
        tensors_written = len(tensors)
        dropped = _dropped(found, lambda name: name not in names)
    return Conversion(
        source=str(path),
        output=str(output),
        model=found.spec.name,
        source_runtime=checkpoint.runtime,
        target_runtime=to,
        dialect=written.name,
        num_classes=found.num_classes,
        tensors_written=tensors_written,
        dropped=dropped,
        warnings=(
            *checkpoint.notes,
            *found.notes,
            *cautions(checkpoint, found, written, to, model is not None, prepared),
        ),
        rounding=rounding,
        assumed=assumptions(found, prepared),
        loads_in=() if to == "onnx" else tuple(loaders(found.spec, written)),
        graph_not_compared=not_compared,
    )


def _check_graph(checkpoint: Checkpoint, found: Fit) -> str | None:
    """Refuse a file whose graph is not its model's: the same weights are another function there.

    Returns:
        Why the graph was not compared; None where it was, or where the file has none.

    Raises:
        ConvertError: the graphs differ; the message lists where.
    """
    verdict = graph_verdict(checkpoint, found.spec, found.names)
    if verdict is None or verdict.equal:
        return None
    if verdict.not_compared is not None:
        return verdict.not_compared
    raise ConvertError(
        f"{checkpoint.path}: has the parameters of {found.spec.name} and another graph, in "
        f"{len(verdict.differences)} places\n"
        f"{listed(verdict.differences)}\n"
        f"Its weights compute something else in {found.spec.name}, so nothing was written. `parity` "
        f"says how far "
        f"the file is from the model; export the network again as the model has it, or use the ONNX "
        f"file as it is"
    )


class Loaded(NamedTuple):
    """A checkpoint read whole: parameters and buffers by canonical name, float32."""

    spec: ModelSpec
    num_classes: int
    runtime: str
    parameters: Mapping[str, np.ndarray]


def read_parameters(path: Path, model: str | None = None) -> Loaded:
    """Read a checkpoint of any format as arrays by canonical name.

    Raises:
        TriportError: it is of no known model, or of another one than `model`, or damaged, or has
            NaN or Inf in it.
    """
    checkpoint = open_checkpoint(path)
    found = identify(checkpoint, model)
    check_finite(checkpoint, found)
    return Loaded(found.spec, found.num_classes, checkpoint.runtime, parameters_of(checkpoint, found))


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
        ConvertError: NaN or Inf; the message lists the tensors and how many each has.
    """
    problems = []
    for theirs in found.names.values():
        tensor = checkpoint.tensors[theirs]
        bad = count_not_finite(tensor) if tensor.dtype in FLOATS else 0
        if bad:
            problems.append(f"{theirs}: {bad} of {tensor.count} values")
    if problems:
        raise ConvertError(
            f"{checkpoint.path}: NaN or Inf in {len(problems)} of {len(found.names)} tensors\n"
            f"{listed(problems)}\n"
            f"The training diverged, or the file is damaged: take another checkpoint"
        )


def _check_not_taken(output: Path, source: Checkpoint) -> None:
    """Raise ConvertError where an output that nobody named would replace a file that is not its elder.

    Converting the same source once more may replace what it made before, which says so itself.
    """
    if not output.exists():
        return
    try:
        elder = open_checkpoint(output).metadata.get(SOURCE_SHA256_KEY)
    except TriportError:
        elder = None
    if elder is None or elder != file_sha256(source.path):
        raise ConvertError(
            f"{output}: is there already, and does not say that it was made from {source.path}; nothing was "
            f"written. Say -o {output} to replace it, or name another output"
        )


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


def _dropped(found: Fit, unused: Callable[[str], bool]) -> tuple[tuple[str, str], ...]:
    counters = [theirs for ours, theirs in found.names.items() if unused(ours)]
    return (
        *found.dropped,
        *((name, "counts training batches; the target has no such buffer") for name in counters),
    )


def _write_onnx(
    checkpoint: Checkpoint,
    found: Fit,
    output: Path,
    opset: int,
    optimize: bool,
    metadata: Mapping[str, str],
    progress: Progress,
) -> int:
    from triport.converters import onnx_model

    if output.suffix.lower() != ".onnx":
        raise ConvertError(f"{output}: an ONNX file's name ends in .onnx")
    if opset not in onnx_model.OPSETS:
        raise ConvertError(
            f"--opset {opset}: {onnx_model.OPSETS[0]} to {onnx_model.OPSETS[-1]} can be written"
        )
    exporter = exporter_for(checkpoint.runtime)
    parameters = parameters_of(checkpoint, found)
    with replacing(output) as temporary:
        progress(f"tracing {found.spec.name} in {exporter.FRAMEWORK}")
        model = exporter.export(found.spec, found.num_classes, parameters, opset=opset)
        if optimize:
            from triport.converters.onnx_optimize import optimized

            progress("folding BatchNorm")
            model = optimized(model)
            metadata = {**metadata, FOLDED_KEY: "BatchNorm"}
        onnx_model.set_metadata(model, metadata)
        progress(f"writing {output.name}")
        Path(temporary).write_bytes(model.SerializeToString(deterministic=True))
        if not optimize:
            _check_equal_onnx(temporary, parameters)
    return len(model.graph.initializer)


def exporter_for(runtime: str) -> Any:
    """Return the module that makes ONNX from a checkpoint of `runtime`, in that framework's definition."""
    if runtime == "mindspore":
        from triport.converters import onnx_from_mindspore

        return onnx_from_mindspore
    from triport.converters import onnx_from_torch

    return onnx_from_torch


def _check_equal_onnx(path: Any, parameters: Mapping[str, np.ndarray]) -> None:
    """Read a written ONNX file again and compare every parameter's bytes."""
    written = open_checkpoint(path)
    wrong = [
        name
        for name, array in parameters.items()
        if name not in written.tensors or b"".join(written.tensors[name].chunks()) != array.tobytes()
    ]
    if wrong:
        raise ConvertError(f"{len(wrong)} tensors do not read back as they were written:\n{listed(wrong)}")
