"""What a NAMES.toml holds: the map of a pair, whose it is, and what was proven of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triport.reference_models.errors import counted

from .pair_names import PairNames
from .step import Shape

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class NamedSide:
    """One network of a pair.

    Attributes:
        net: what the user called it: NET.
        runtime: "pytorch", "mindspore" or "onnx".
        version: of what ran it, such as "MindSpore 2.10.0".
        shapes_sha256: of its parameters' names and shapes, from `shapes_digest`.
        kept_sha256: of the values that it makes itself, as it was built for the proof, from `values_digest`.
    """

    net: str
    runtime: str
    version: str = ""
    shapes_sha256: str = ""
    kept_sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapProof:
    """What was shown of a map when it was made.

    Attributes:
        proven: whether numbers prove it.
        equal: whether the two networks' outputs were equal.
        needed_tolerance: the largest difference of an output, relative to its largest value; None where
            nothing was run.
        tolerance: what the noise of float32 allowed.
        trials: how many times both were run, with other weights and inputs each time.
        inputs: what went in, as `--input` says it.
        unproven: parameters of `a` that change no output, all or in part: no number can prove their rows.
        symmetric: groups of parameters of `a` that can be exchanged.
        parting: the first modules that compute something else, of `a` and of `b`, and why; empty for none.
        date: when, as 2026-11-26.
        triport: the version that made it.
        rows_sha256: of the rows that were proven, from `rows_digest`.
    """

    proven: bool
    equal: bool
    needed_tolerance: float | None = None
    tolerance: float | None = None
    trials: int = 0
    inputs: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    symmetric: tuple[tuple[str, ...], ...] = ()
    parting: tuple[str, ...] = ()
    date: str = ""
    triport: str = ""
    rows_sha256: str = ""


@dataclass(frozen=True, slots=True)
class NamesFile:
    """A map of a pair with all that is known of it."""

    names: PairNames
    a: NamedSide
    b: NamedSide
    proof: MapProof

    @property
    def is_changed(self) -> bool:
        """Whether the rows are others than those that were proven: somebody edited the file."""
        return self.proof.rows_sha256 != rows_digest(self.names)

    @property
    def is_proven(self) -> bool:
        """Whether the file says that these very rows were proven."""
        shown = self.proof.proven and self.proof.trials > 0 and not self._contradicts
        return shown and self.names.complete and not self.is_changed

    @property
    def _contradicts(self) -> bool:
        """Whether outputs are called equal that were further apart than was allowed, or no number."""
        needed, allowed = self.proof.needed_tolerance, self.proof.tolerance
        return self.proof.equal and needed is not None and allowed is not None and not needed <= allowed

    @property
    def standing(self) -> str:
        """Return in words how far the map can be relied on, as everyone who uses it prints it."""
        proof = self.proof
        if not self.names.complete:
            left = f"{len(self.names.left_a)} and {len(self.names.left_b)}"
            return f"NOT PROVEN and not complete: {left} parameters of the two networks are in no row"
        if self.is_changed:
            return "NOT PROVEN: its rows are not those that were proven; somebody changed the file"
        if self._contradicts:
            return f"NOT PROVEN: it says that outputs are equal, and its figures do not{self._figures()}"
        if not self.is_proven:
            return "NOT PROVEN: nothing has shown that these rows are right" + self._figures()
        silent = len(proof.unproven)
        beside = (
            f"; {counted(silent, 'parameter changes', 'parameters change')} no output, all or in part, and "
            f"{'is' if silent == 1 else 'are'} not proven"
            if silent
            else ""
        )
        if proof.equal:
            when = f" on {proof.date}" * bool(proof.date)
            return f"proven{when}: outputs equal in {counted(proof.trials, 'trial')}{self._figures()}{beside}"
        first, second, why = (*proof.parting, "", "", "")[:3]
        where = f", first in {first} and {second}" if proof.parting else ""
        return (
            f"proven, for two networks that compute something else: same weights, another graph{where}"
            f"{f' ({why})' if why else ''}{self._figures()}{beside}"
        )

    def _figures(self) -> str:
        needed, allowed = self.proof.needed_tolerance, self.proof.tolerance
        return "" if needed is None or allowed is None else f" ({needed:.2g} of {allowed:.2g} allowed)"

    def to_dict(self) -> dict[str, Any]:
        """Return what `--json` says of a map that was used."""
        return {
            "a": self.a.net,
            "b": self.b.net,
            "runtimes": [self.a.runtime, self.b.runtime],
            "rows": len(self.names.rows),
            "proven": self.is_proven,
            "equal": self.proof.equal and self.is_proven,
            "standing": self.standing,
        }


def shapes_digest(shapes: Mapping[str, Shape]) -> str:
    """Return the SHA-256 of names and shapes, whatever their order."""
    entries = sorted((name, [int(size) for size in shape]) for name, shape in shapes.items())
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def values_digest(values: np.ndarray) -> str:
    """Return the SHA-256 of a shape and of values, the same for floats and for whole numbers of any width."""
    wide = values.astype({"b": "<i8", "i": "<i8", "u": "<i8", "c": "<c16"}.get(values.dtype.kind, "<f8"))
    return hashlib.sha256(json.dumps(values.shape).encode() + wide.tobytes()).hexdigest()


def rows_digest(names: PairNames) -> str:
    """Return the SHA-256 of a map, whatever the order of its rows."""
    rows = sorted([list(row.a), list(row.b), [str(step) for step in row.steps]] for row in names.rows)
    rest = [sorted(names.left_a), sorted(names.left_b)]
    kept = [sorted(name for name, _ in side) for side in (names.kept_a, names.kept_b)]
    return hashlib.sha256(json.dumps([rows, rest, kept]).encode()).hexdigest()
