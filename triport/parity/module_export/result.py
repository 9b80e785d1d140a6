"""What the conversion of a Module did, as `convert` prints it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from triport.reference_models.errors import counted
from triport.reference_models.result import SCHEMA_VERSION

from .judge import ModuleVerdict

NOT_ASKED = "not asked for"
SHOWN = 4  # names of parameters with the same reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One exporter's graph: what it was asked for, what was found, and where it parts if it is wrong."""

    exporter: str
    free: tuple[str, ...]
    verdict: str
    why: str = ""
    parts_at: str = ""

    def __str__(self) -> str:
        axes = f" with {', '.join(self.free)} free" if self.free else ""
        parts = f"; first difference: {self.parts_at}" if self.parts_at else ""
        return f"{self.exporter}{axes}: {self.why or self.verdict}{parts}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {
            "exporter": self.exporter,
            "free": list(self.free),
            "verdict": self.verdict,
            "why": self.why,
            "parts_at": self.parts_at or None,
        }


@dataclass(frozen=True, slots=True)
class ModuleConversion:
    """What a conversion did; `attempts` are the exporters in the order in which they were asked.

    `free` has, for each axis that is free, the sizes at which that was proven; `fixed` why others are not;
    `undecided` are the free axes that may be something else at sizes that were not tried.
    """

    source: str
    output: str | None
    exporter: str | None
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: int
    tensors_written: int
    dropped: tuple[tuple[str, str], ...]
    verdict: ModuleVerdict | None
    free: tuple[tuple[str, tuple[int, ...]], ...]
    fixed: tuple[tuple[str, str], ...]
    attempts: tuple[Attempt, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    reference: str = "pytorch-float64"
    undecided: tuple[str, ...] = ()

    @property
    def schema_version(self) -> int:
        """The version of the keys of `to_dict`."""
        return SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether a file was written: an exporter's graph is right, or was not to be compared."""
        return self.output is not None

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        found = self.verdict
        return {
            "schema_version": self.schema_version,
            "source": self.source,
            "output": self.output,
            "model": None,
            "from": "pytorch",
            "to": "onnx",
            "dialect": None,
            "tensors_written": self.tensors_written,
            "dropped": [
                *({"name": name, "reason": reason} for name, reason in self.dropped),
                *({"name": f"output {place}", "reason": what} for place, what in self.left_out),
            ],
            "round_trip": "bit-equal" if self.passed else None,
            "warnings": list(self.warnings),
            "opset": self.opset,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "nodes": self.nodes,
            "exporter": self.exporter,
            "exporters": [attempt.to_dict() for attempt in self.attempts],
            "free_axes": {axis: list(sizes) for axis, sizes in self.free},
            "fixed_axes": dict(self.fixed),
            "comparison": None
            if found is None
            else {
                "reference": self.reference,
                "verdict": found.verdict,
                "max_rel": _number(found.error),
                "tolerance": _number(found.tolerance),
                "noise": _number(found.noise),
                "where": found.where,
                "why": found.why,
            },
        }

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        written = (
            f"{counted(self.nodes, 'node')}, {counted(self.tensors_written, 'parameter')}, opset {self.opset}"
        )
        rows = [
            ("source", self.source),
            ("output", self.output or "none: not written, because no exporter's graph is right"),
        ]
        if self.passed:
            rows += [
                ("exporter", f"torch.onnx, {self.exporter}"),
                ("graph", written),
                ("inputs", ", ".join(self.inputs)),
                ("outputs", ", ".join(self.outputs)),
            ]
        rows += [("", f"output {place} left out: {what}") for place, what in self.left_out]
        for axis, sizes in self.free:
            at = ", ".join(map(str, sizes))
            proven = f"checked at {at} only" if axis in self.undecided else f"proven at {at}"
            proven = proven if sizes else "not proven: not asked for"
            rows.append(("free axis", f"{axis}, {proven}"))
        rows += [("fixed axis", f"{axis}: {why}") for axis, why in self.fixed]
        rows.append(("compared", self._comparison()))
        for attempt in self.attempts:
            if attempt.exporter != self.exporter or attempt is not self.attempts[-1]:
                rows.append(("not right", str(attempt)))
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.dropped:
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            rows.append(("dropped", f"{', '.join(names[:SHOWN])}{more}: {reason}"))
        title = "Converted" if self.passed else "Not converted"
        return [
            title,
            *(f"  {name:<10} {text}" for name, text in rows),
            *(f"Note: {w}" for w in self.warnings),
        ]

    def _comparison(self) -> str:
        found = self.verdict
        if found is None:
            return NOT_ASKED
        if found.why:
            return f"{found.verdict}: {found.why}"
        return (
            f"{found.verdict}: the Module in {self.reference.partition('-')[2]} and ONNX Runtime without "
            f"optimisation differ by {found.error:.1e} in {found.where} (tolerance {found.tolerance:.1e}, "
            f"of a noise of {found.noise:.1e})"
        )


def _number(value: float) -> float | None:
    """Return a number that JSON has."""
    return value if math.isfinite(value) else None
