"""Conversion by a NAMES.toml: one checkpoint in, the same weights out under the other network's names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from triport.converters.conversion import SHIPPED
from triport.converters.finite import FiniteTensor, NotFiniteError, count_not_finite, why_not_finite
from triport.converters.formats import (
    FLOATS,
    Checkpoint,
    Tensor,
    check_target,
    file_sha256,
    open_checkpoint,
    short,
    write_checkpoint,
)
from triport.converters.provenance import VERSION_KEY
from triport.converters.request import ConvertError, ConvertRequest
from triport.reference_models.errors import counted, listed
from triport.reference_models.result import SCHEMA_VERSION
from triport.version import __version__

from .fitting import NamesFit, fit_names
from .reading import read_names
from .row_tensors import tensors_of

if TYPE_CHECKING:
    from triport.converters.dtypes import Rounding

NAMES_KEY = "triport.names"
# what is found in the file, or is of graphs and of known models
_NOT_WITH_NAMES = (
    "model",
    "dialect",
    "with_head",
    "opset",
    "optimize",
    "cell",
    "checkpoint",
    "inputs",
    "check",
)


@dataclass(frozen=True, slots=True)
class NamedConversion:
    """What a conversion by a NAMES.toml did.

    `computed` are names of what was written whose values steps compute, so that they are not those of the
    source in other places.
    """

    source: str
    output: str
    names: str
    fit: NamesFit
    source_runtime: str
    tensors_written: int
    dropped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    computed: tuple[str, ...] = ()
    rounding: Rounding | None = None
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """A conversion that was not right is an error and leaves no file."""
        return True

    @property
    def round_trip(self) -> str:
        """How what was read back compares with what was to be written."""
        words = f"bit-equal to the values in {self.rounding.dtype}" if self.rounding else "bit-equal"
        if not self.computed:
            return words
        return (
            f"{words}, but for {counted(len(self.computed), 'tensor')} that steps compute, which cannot be "
            "undone"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --names --json` prints."""
        return {
            "schema_version": self.schema_version,
            "source": self.source,
            "output": self.output,
            "model": None,
            "names": {"file": self.names, **self.fit.file.to_dict(), "from": self.fit.side},
            "from": self.source_runtime,
            "to": self.fit.target.runtime,
            "dialect": self.fit.target.net,
            "tensors_written": self.tensors_written,
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "computed": list(self.computed),
            "round_trip": self.round_trip,
            "warnings": list(self.warnings),
            **({"rounding": self.rounding.to_dict()} if self.rounding else {}),
        }

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        fit = self.fit
        steps = sum(bool(row.steps) for row in fit.names.rows)
        rows = [
            ("source", self.source),
            ("output", self.output),
            ("names", f"{self.names}: {counted(len(fit.names.rows), 'row')}, {steps} with steps"),
            ("map", fit.file.standing),
            ("from, to", f"{short(fit.source.net)} ({fit.source.runtime}) -> {_called(fit)}"),
            ("tensors", f"{self.tensors_written} written, {len(self.dropped)} dropped"),
            *(("", f"{short(name)} dropped: {short(reason)}") for name, reason in self.dropped[:3]),
        ]
        if len(self.dropped) > 3:
            rows.append(("", f"... and {len(self.dropped) - 3} more"))
        if self.rounding is not None:
            rows.append(("rounding", f"to {self.rounding.dtype}: at most {self.rounding.max_abs_error:.3g}"))
        rows.append(("round trip", self.round_trip))
        return [
            "Converted",
            *(f"  {title:<11} {text}" for title, text in rows),
            *(f"Note: {warning}" for warning in self.warnings),
        ]


def _called(fit: NamesFit) -> str:
    return f"{short(fit.target.net)} ({fit.target.runtime})"


def convert_by_names(
    source: Path | None, request: ConvertRequest, progress: Callable[[str], None] = lambda step: None
) -> NamedConversion:
    """Convert a checkpoint of one network of a pair to the other's; the output is complete and checked.

    Args:
        source: any supported file; None is the small trained model that triport ships.
        request: what to write, with `names`.
        progress: is told each step.

    Raises:
        TriportError: the map or the source is not fit, or the output cannot be written; nothing was written.
    """
    path, output, names = SHIPPED if source is None else source, request.output, request.names
    assert names is not None
    if output is None:
        raise ConvertError("--names: say with -o which file to write")
    _check_options(request)
    check_target(output, request.to)
    progress(f"reading {names.name} and {path.name}")
    file = read_names(names)
    checkpoint = open_checkpoint(path, request.selection)
    _check_source(checkpoint, request, output, names)
    fit = fit_names(checkpoint, file, request.to, request.into)
    rounding = None
    if request.dtype is not None:
        from triport.converters.dtypes import converted

        check_finite(checkpoint, fit)
        progress(f"converting to {request.dtype}")
        tensors, rounding = converted(checkpoint.tensors, request.dtype)
        checkpoint = replace(checkpoint, tensors=tensors)
    written = tensors_of(checkpoint, fit)
    progress(f"writing {output.name}")
    metadata = None if request.plain else _metadata(fit, names)
    try:
        write_checkpoint(output, request.to, _watched(written), metadata, crc=request.crc)
    except NotFiniteError:
        check_finite(checkpoint, fit)
        raise ConvertError(f"{path}: the steps of the map make NaN or Inf of its values") from None
    return NamedConversion(
        source=str(path),
        output=str(output),
        names=str(names),
        fit=fit,
        source_runtime=checkpoint.runtime,
        tensors_written=len(written),
        dropped=fit.dropped,
        warnings=tuple(_warnings(checkpoint, fit)),
        computed=tuple(name for row in fit.names.rows if row.computes for name in row.b),
        rounding=rounding,
    )


def _check_options(request: ConvertRequest) -> None:
    """Raise ConvertError where options do not go together with a map of names."""
    given = request.given(*_NOT_WITH_NAMES)
    if given:
        raise ConvertError(f"{', '.join(given)}: --names says which network it is; leave {given[0]} out")
    if request.to == "onnx":
        raise ConvertError(
            "--names: moves weights, to pytorch or mindspore; an ONNX graph is made of the network itself: "
            "convert NET --checkpoint WEIGHTS --input SPEC --to onnx"
        )
    request.check_weights()


def _check_source(checkpoint: Checkpoint, request: ConvertRequest, output: Path, names: Path) -> None:
    """Raise ConvertError where the source is not what was said, or the output replaces what is needed."""
    if request.source_runtime not in (None, checkpoint.runtime):
        raise ConvertError(
            f"{checkpoint.path}: is a {checkpoint.runtime} checkpoint ({checkpoint.format}), not "
            f"{request.source_runtime}. Use --from {checkpoint.runtime}, or leave --from out"
        )
    for one in (str(checkpoint.path), *map(str, checkpoint.files), str(names)):
        if output.exists() and output.samefile(one):
            raise ConvertError(f"{output}: is read by this conversion. Name another output with -o")


def _watched(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: FiniteTensor(tensor) for name, tensor in tensors.items()}


def check_finite(checkpoint: Checkpoint, fit: NamesFit) -> None:
    """Raise ConvertError for NaN or Inf in a tensor that is used; the message lists how many each has."""
    problems, spoiled = [], []
    used = [name for row in fit.names.rows for name in row.a]
    for name in used:
        tensor = checkpoint.tensors[name]
        bad = count_not_finite(tensor) if tensor.dtype in FLOATS else 0
        if bad:
            spoiled.append(tensor)
            problems.append(f"{short(name)}: {bad} of {counted(tensor.count, 'value')}")
    if problems:
        raise ConvertError(
            f"{checkpoint.path}: NaN or Inf in {len(problems)} of "
            f"{counted(len(used), 'tensor')}\n{listed(problems)}\n" + why_not_finite(spoiled)
        )


def _metadata(fit: NamesFit, names: Path) -> dict[str, str]:
    """Return what the output states of itself."""
    said = {
        "from": fit.source.net,
        "to": fit.target.net,
        "sha256": file_sha256(str(names)),
        "standing": fit.file.standing,
    }
    return {NAMES_KEY: json.dumps(said, sort_keys=True), VERSION_KEY: __version__}


def _warnings(checkpoint: Checkpoint, fit: NamesFit) -> Iterator[str]:
    yield from checkpoint.notes
    if not fit.file.is_proven:
        yield f"the map is {fit.file.standing}"
    elif not fit.file.proof.equal:
        yield f"the other network computes something else with these weights: {fit.file.standing}"
    yield from fit.notes
