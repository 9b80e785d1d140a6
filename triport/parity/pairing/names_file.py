"""What is found of a pair as a NAMES.toml: the rows, whose they are, and what was shown of them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from triport.converters.naming.pair_names import PairNames
from triport.converters.naming.record import MapProof, NamedSide, NamesFile, rows_digest, shapes_digest
from triport.converters.naming.scaffold import scaffold_of
from triport.converters.naming.writing import write_names
from triport.converters.networks.input_specs import parse_input
from triport.reference_models.kinds import COUNTER_LEAF
from triport.version import __version__

from .result import PairResult, finite

_PACKAGES = {
    "pytorch": ("PyTorch", "torch"),
    "mindspore": ("MindSpore", "mindspore"),
    "onnx": ("ONNX", "onnx"),
}


def write_pair(found: PairResult, inputs: Sequence[str], output: Path | None, scaffold: Path | None) -> None:
    """Write what is found of a pair as a NAMES.toml, and as the start of a family if its map is complete.

    Args:
        found: of the pair.
        inputs: what went in, as `--input` says it.
        output: the NAMES.toml.
        scaffold: the family's folder.

    Raises:
        TriportError: one of them cannot be written.
    """
    file = names_file_of(found, inputs)
    if output is not None:
        write_names(output, file)
    if scaffold is not None and found.complete:
        shapes = [parse_input(text).shape for text in inputs]
        size = next((shape[-1] for shape in shapes if len(shape) == 4), 0)
        scaffold_of(file, found.shapes, scaffold.name, size).write(scaffold)


def names_file_of(found: PairResult, inputs: Sequence[str]) -> NamesFile:
    """Return the file of a map, proven or not: the file says which.

    Args:
        found: of the pair.
        inputs: what went in, as `--input` says it.
    """
    names = _without_counters(found.names, alike=found.runtimes == ("pytorch", "pytorch"))
    sides = [
        NamedSide(
            net, runtime, _version(runtime), shapes_digest(_of_rows(names, side, shapes)), _of(kept, digests)
        )
        for side, net, runtime, shapes, kept, digests in zip(
            "ab",
            (found.a, found.b),
            found.runtimes,
            found.shapes,
            (names.kept_a, names.kept_b),
            found.kept_sha256,
            strict=True,
        )
    ]
    worst, parting = found.worst, found.first_parting
    proof = MapProof(
        proven=found.proven,
        equal=found.equal,
        needed_tolerance=None if worst is None else finite(worst.needed_tolerance),
        tolerance=None if worst is None else worst.tolerance,
        trials=len(found.trials),
        inputs=tuple(inputs),
        unproven=found.unproven,
        symmetric=found.symmetric,
        parting=() if parting is None else (parting.a, parting.b, parting.why),
        date=time.strftime("%Y-%m-%d", time.gmtime(_now())),
        triport=__version__,
        rows_sha256=rows_digest(names),
    )
    return NamesFile(names, sides[0], sides[1], proof)


def _of(kept: Sequence[tuple[str, str]], digests: Mapping[str, str]) -> dict[str, str]:
    return {name: digests[name] for name, _ in kept if name in digests}


def _without_counters(names: PairNames, alike: bool) -> PairNames:
    """Return a map without PyTorch's counts of batches, which go with the norm that they are of.

    Args:
        names: the map.
        alike: whether both networks could have such counts: one that the other lacks stays in the map.
    """
    means = [(row.a[0], row.b[0]) for row in names.rows if len(row.a) == len(row.b) == 1]
    counters = [(_counter_beside(a), _counter_beside(b)) for a, b in means]
    known = {name for side in (names.kept_a, names.kept_b) for name, _ in side}
    alone = {one for pair in counters for one, other in (pair, pair[::-1]) if alike and other not in known}
    kept_a, kept_b = (
        tuple(
            (name, "the other network counts no batches" if name in alone else why)
            for name, why in side
            if name.rpartition(".")[2] != COUNTER_LEAF or name in alone
        )
        for side in (names.kept_a, names.kept_b)
    )
    return PairNames(names.rows, names.left_a, names.left_b, kept_a, kept_b)


def _counter_beside(name: str) -> str:
    """Return what the count of batches is called beside a norm's parameter."""
    path, dot, _ = name.rpartition(".")
    return f"{path}{dot}{COUNTER_LEAF}"


def _of_rows(
    names: PairNames, side: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what stands in the rows; a tied tensor has the shape of its first name."""
    found: dict[str, tuple[int, ...]] = {}
    for row in names.rows:
        own = row.a if side == "a" else row.b
        known = next((shapes[name] for name in own if name in shapes), ())
        found.update((name, shapes.get(name, known)) for name in own)
    return found


def _version(runtime: str) -> str:
    title, package = _PACKAGES[runtime]
    try:
        return f"{title} {version(package)}"
    except PackageNotFoundError:
        return title


def _now() -> float:
    """Return the time, or the one that SOURCE_DATE_EPOCH asks for, so that two runs give one file."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 12 else time.time()
