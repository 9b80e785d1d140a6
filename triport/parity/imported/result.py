"""What an import did, as `convert` prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from triport.parity.judge.words import size_of
from triport.reference_models.errors import counted
from triport.reference_models.result import SCHEMA_VERSION

# what decided where the noise would hide a fault, or where onnx's reference alone agrees: nothing
UNPROVEN = "nothing"


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """One comparison: the sizes of the inputs, and how far the source was from ONNX Runtime.

    `judged_by` says what decided: "runtime" where the two are equal, "float64" where both are as near to
    it as noise, "reference" where ONNX Runtime as it is run is off and another way to run it, named by
    `agreed`, is not, "graph" where the graph itself was run in float64, "steps" where both were given the
    same values at roundings and logarithms, "modules" where they were at each call of a module, UNPROVEN
    where the network's own noise on this input is so wide that a fault would not be seen, or where onnx's
    reference implementation alone agrees: then nothing is said of it.
    """

    inputs: tuple[str, ...]
    max_rel: float
    judged_by: str
    passed: bool
    why: str = ""
    agreed: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether it can be said that the two are equal, or that they are not."""
        return self.judged_by != UNPROVEN


@dataclass(frozen=True, slots=True)
class ImportedSource:
    """Source that was written from a graph, or was not, and why.

    `feed` are the inputs on which the two part, or else the first that were compared.
    """

    source: str
    output: str | None
    target: str
    nodes: int
    source_lines: int
    classes: int
    tensors_written: int
    renamed: tuple[tuple[str, str], ...]
    trials: tuple[SourceTrial, ...]
    first_divergence: str = ""
    notes: tuple[str, ...] = ()
    feed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def is_equal(self) -> bool:
        """Whether the source computes what the graph does."""
        return bool(self.trials) and all(trial.passed for trial in self.trials)

    @property
    def is_different(self) -> bool:
        """Whether it was found to compute something else."""
        return any(not trial.passed and trial.is_decided for trial in self.trials)

    @property
    def passed(self) -> bool:
        """Whether the source was kept: it computes what the graph does."""
        return self.output is not None

    @property
    def _problem(self) -> str:
        return "the results differ" if self.is_different else "it is not proven that the results are equal"

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        return {
            "schema_version": self.schema_version,
            "source": self.source,
            "output": self.output,
            "model": None,
            "from": "onnx",
            "to": self.target,
            "dialect": None,
            "tensors_written": self.tensors_written,
            "dropped": [],
            "warnings": list(self.notes),
            "nodes": self.nodes,
            "lines": self.source_lines,
            "classes": self.classes,
            "renamed": [{"from": a, "to": b} for a, b in self.renamed],
            "trials": [
                {
                    "inputs": list(t.inputs),
                    "max_rel": t.max_rel,
                    "judged_by": t.judged_by,
                    "passed": t.passed,
                    "why": t.why,
                    "agreed": t.agreed or None,
                }
                for t in self.trials
            ],
            "first_divergence": self.first_divergence or None,
        }

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        per_node = self.source_lines / max(self.nodes, 1)
        kinds = (
            "1 Python class"
            if self.classes == 1
            else f"{counted(self.classes, 'Python class', 'Python classes')}"
        )
        rows = [
            ("source", self.source),
            ("output", self.output or f"none: not written, because {self._problem}"),
            (
                "graph",
                f"{counted(self.nodes, 'node')}, {counted(self.source_lines, 'line')} of source "
                f"({per_node:.1f} a node) in {kinds}",
            ),
            (
                "tensors",
                f"{self.tensors_written} written, {len(self.renamed)} under another name than the graph's",
            ),
        ]
        for trial in self.trials:
            verdict = "equal" if trial.passed else "DIFFERENT" if trial.is_decided else "NOT PROVEN"
            if trial.passed and trial.judged_by == "reference":
                verdict = f"equal to {trial.agreed}, not to ONNX Runtime as it is run"
            rows.append(
                (
                    "compared",
                    f"{', '.join(trial.inputs)}: {verdict}, {size_of(trial.max_rel)} from ONNX Runtime"
                    f"{f' ({trial.why})' if trial.why else ''}",
                )
            )
        if self.first_divergence:
            rows.append(("first", self.first_divergence))
        rows += [("note", note) for note in self.notes]
        if self.output:
            source = Path(self.output)
            rows.append(
                ("in Python", f"from {source.stem} import build; network = build()  # in {source.parent}/")
            )
        title = "Converted" if self.passed else "Not converted"
        return [title, *(f"  {label:<10} {text}" for label, text in rows)]
