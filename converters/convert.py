"""Conversion: one checkpoint in, the same weights out for another runtime, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from converters.finite import FiniteTensor, NotFiniteError, count_not_finite
from converters.formats import (
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
from converters.identify import PARAMETER_DTYPES, Fit, identify
from converters.names import COUNTER_LEAF, get_dialect, name_map, reference_dialect
from converters.provenance import FOLDED_KEY, MODEL_KEY, provenance
from reference_models.errors import TriportError, listed
from reference_models.spec import Dialect, ModelSpec, Preprocess, Runtime, family_models

if TYPE_CHECKING:
    import numpy as np

    from converters.dtypes import Rounding

DEFAULT_SUFFIX = {"mindspore": ".ckpt", "pytorch": ".pth", "onnx": ".onnx"}
SHIPPED = Path(__file__).parent.parent / "examples" / "digits" / "res2net_digits.ckpt"

Progress = Callable[[str], None]


class ConvertError(TriportError):
    """A conversion that was asked for makes no sense, or the weights are not fit to be converted."""


class Conversion(NamedTuple):
    """What a conversion did; `dropped` lists the source's names that were not used, and why."""

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

    @property
    def round_trip(self) -> str:
        """How what was read back compares with what was to be written."""
        return f"bit-equal to the values in {self.rounding.dtype}" if self.rounding else "bit-equal"

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
    if output is None:
        output = Path(path.absolute().with_suffix(DEFAULT_SUFFIX[to]).name)
    if output.exists() and output.samefile(checkpoint.path):
        raise ConvertError(f"{output}: is the source itself. Name another output with -o")
    written = _target_dialect(found.spec, to, dialect)
    rounding = None
    if dtype is not None:
        from converters.dtypes import converted

        check_finite(checkpoint, found)
        progress(f"converting to {dtype}")
        tensors, rounding = converted(checkpoint.tensors, dtype)
        checkpoint = replace(checkpoint, tensors=tensors)
    if to == "onnx":
        check_finite(checkpoint, found)
        metadata = provenance(found.spec, found.num_classes, found.dialect.name, file_sha256(checkpoint.path))
        tensors_written = _write_onnx(checkpoint, found, output, opset, optimize, metadata, progress)
        dropped = _dropped(found, lambda name: name.endswith(COUNTER_LEAF))
    else:
        check_target(output, to)
        names = name_map(found.spec, written)
        metadata = provenance(found.spec, found.num_classes, found.dialect.name)
        # watched while they are copied: reading 100 MB once more costs half a copy
        tensors = {
            names[ours]: FiniteTensor(checkpoint.tensors[theirs])
            for ours, theirs in found.names.items()
            if ours in names
        }
        progress(f"writing {output.name}")
        try:
            write_checkpoint(output, to, tensors, metadata, crc=crc)
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
        warnings=(*checkpoint.notes, *found.notes, *_warnings(checkpoint, found, written, to)),
        rounding=rounding,
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


def _target_dialect(spec: ModelSpec, to: Runtime, dialect: str | None) -> Dialect:
    if dialect is None:
        return reference_dialect(spec, to)
    if to == "onnx":
        raise ConvertError("an ONNX file's initializers have the canonical names: leave --dialect out")
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
    from converters import onnx_model

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
            from converters.onnx_optimize import optimized

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
        from converters import onnx_from_mindspore

        return onnx_from_mindspore
    from converters import onnx_from_torch

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


def _warnings(checkpoint: Checkpoint, found: Fit, written: Dialect, to: Runtime) -> Iterator[str]:
    """Yield what a user of the target must know: another graph under these names, other preprocessing."""
    spec = found.spec
    if found.headless:
        yield (
            f"the head is left out (--no-head): what was written is the backbone of {spec.name}, "
            f"{len(found.names)} tensors, and loads into a network without its head, or not strictly"
        )
    publishers = {one.name: one.publisher for one in family_models(spec.family)}
    for other in spec.same_weights_as:
        publisher = publishers[other.model]
        if publisher == spec.publisher:
            continue
        function = f"another function (by {other.percent} of the largest logit)"
        if publisher == found.dialect.name and checkpoint.metadata.get(MODEL_KEY) != spec.name:
            yield (
                f"the names are {publisher}'s, whose own definition is {other.model}; you said "
                f"{spec.name}, which computes {function} from the same weights: {other.why}"
            )
        if to != "onnx" and publisher == written.name:
            yield (
                f"{publisher}'s own definition ({other.model} here) loads these weights and computes "
                f"{function}: {other.why}. Load them into reference_models' {spec.name}, or convert to "
                f"ONNX, which keeps the graph; say --model {spec.name} when you convert this file again"
            )
    if to == "onnx":
        return
    trained, expected = (
        next((w.preprocess for w in spec.weights if w.dialect == name), None)
        for name in (found.dialect.name, written.name)
    )
    if trained and expected and trained != expected:
        changes = [
            f"{field.name} {getattr(trained, field.name)} (not {getattr(expected, field.name)})"
            for field in fields(Preprocess)
            if getattr(trained, field.name) != getattr(expected, field.name)
        ]
        yield (
            f"the weights keep {found.dialect.name}'s preprocessing, which is not {written.name}'s: "
            + ", ".join(changes)
        )
