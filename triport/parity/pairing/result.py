"""What is found of a pair: the rows between their parameters, what is left, and what proves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from triport.converters.naming.pair_names import PairNames, PairRow
from triport.reference_models.result import SCHEMA_VERSION

from .sides import SideParameter


@dataclass(frozen=True, slots=True)
class Parting:
    """The first modules that compute something else, on either side, and why, where that can be seen."""

    a: str
    b: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One comparison of the outputs.

    Attributes:
        seed: of the weights and the inputs.
        needed_tolerance: the difference relative to the largest value of `a`.
        tolerance: what the noise of float32 allows.
        but_for: the kernels of MindSpore that PyTorch had to imitate for this, and what is without; "" for
            none.
        reshaped: the shapes of outputs that have another shape on the other side, in order; "" for none.
        signed: names of vectors of `a` that had both signs.
        positive: those that were to have both, and were positive: signs left no numbers, or noise alone.
    """

    seed: int
    needed_tolerance: float
    tolerance: float
    but_for: str = ""
    reshaped: str = ""
    signed: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the outputs are equal within the noise of float32."""
        return bool(self.needed_tolerance <= self.tolerance)


@dataclass(frozen=True, slots=True)
class PairResult:
    """The map between the parameters of two networks, and what shows that it is right.

    Attributes:
        a: what the user called the first network.
        b: and the second.
        runtimes: what executes each.
        names: the rows, and the names that are left on either side.
        trials: the outputs of both with the same weights, which the rows moved: seeded weights and inputs.
        reasons: why a name is left, by "a NAME" or "b NAME".
        symmetric: groups of names of `a` that can be exchanged with each other: shown by doing so.
        unproven: names of `a` that change no output, all or in part, so that no number can prove their row.
        mended: whether the rest was proven equal with the parting modules' outputs taken from `a`.
        first_parting: where the two compute something else; None where they do not.
        tolerance: what the noise of float32 allows.
        notes: what else should be known.
        kept_sha256: of the values that each network makes itself, by name.
    """

    a: str
    b: str
    runtimes: tuple[str, str]
    names: PairNames
    shapes: tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]
    trials: tuple[Trial, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    symmetric: tuple[tuple[str, ...], ...] = ()
    unproven: tuple[str, ...] = ()
    mended: bool = False
    first_parting: Parting | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    kept_sha256: tuple[dict[str, str], dict[str, str]] = ({}, {})

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""
        return SCHEMA_VERSION

    @property
    def complete(self) -> bool:
        """Whether every parameter of both networks stands in exactly one row."""
        return self.names.complete

    @property
    def equal(self) -> bool:
        """Whether the outputs are equal, with a complete map, on every trial."""
        return self.complete and bool(self.trials) and all(trial.passed for trial in self.trials)

    @property
    def proven(self) -> bool:
        """Whether numbers prove the map; the rows of `unproven` are not meant, but cannot be all."""
        if {name for row in self.names.rows for name in row.a} <= {*self.unproven}:
            return False
        return self.equal or (self.complete and self.mended)

    @property
    def passed(self) -> bool:
        """Whether the map is complete and proven and the outputs are equal."""
        return self.complete and self.proven and self.equal

    @property
    def worst(self) -> Trial | None:
        """The trial that needs most of its tolerance."""
        return max(self.trials, key=lambda one: one.needed_tolerance / one.tolerance, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        worst = self.worst
        return {
            "schema_version": self.schema_version,
            "a": self.a,
            "b": self.b,
            "runtimes": list(self.runtimes),
            "complete": self.complete,
            "proven": self.proven,
            "equal": self.equal,
            "needed_tolerance": None if worst is None else finite(worst.needed_tolerance),
            "tolerance": None if worst is None else worst.tolerance,
            "first_parting": None if self.first_parting is None else asdict(self.first_parting),
            "names": [_row(row) for row in self.names.rows],
            "left": {"a": list(self.names.left_a), "b": list(self.names.left_b)},
            "reasons": dict(self.reasons),
            "symmetric": [list(group) for group in self.symmetric],
            "unproven": list(self.unproven),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 2),
        }


def shapes_of(parameters: Sequence[SideParameter]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of parameters by name."""
    return {one.name: one.shape for one in parameters}


def finite(number: float) -> float | None:
    """Return a number as JSON has it; None for one that is not finite."""
    return number if number == number and abs(number) != float("inf") else None


def _row(row: PairRow) -> dict[str, Any]:
    return {
        "a": list(row.a),
        "b": list(row.b),
        "steps": [str(step) for step in row.steps],
        "reason": row.reason,
    }
