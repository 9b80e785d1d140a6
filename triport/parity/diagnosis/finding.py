"""What a diagnosis finds: one finding for each thing that can differ, and one sentence at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from triport.reference_models.result import SCHEMA_VERSION

# the order in which things are looked at: what comes first explains what comes after
Aspect = Literal["weights", "graph", "precision", "preprocessing", "classes", "accuracy"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing that can differ.

    Attributes:
        aspect: which thing.
        same: whether it is the same in both files; None where it could not be asked, `sentence` says why.
        sentence: what was found, whole, with the figure that shows it.
        details: further lines, such as the tensors that differ.
        figures: the numbers of the sentence, by name.
    """

    aspect: Aspect
    same: bool | None
    sentence: str
    details: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints of it."""
        return {
            "aspect": self.aspect,
            "same": self.same,
            "sentence": self.sentence,
            "details": list(self.details),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings on two files, in the order in which they were made, and the sentence that they come to."""

    first: str
    second: str
    model: str
    findings: tuple[Finding, ...]
    conclusion: str
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether nothing was found to differ."""
        return all(one.same is not False for one in self.findings)

    @property
    def causes(self) -> tuple[Aspect, ...]:
        """What differs, without the accuracy, which is what it leads to."""
        return tuple(one.aspect for one in self.findings if one.same is False and one.aspect != "accuracy")

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "schema_version": self.schema_version,
            "first": self.first,
            "second": self.second,
            "model": self.model,
            "passed": self.passed,
            "causes": list(self.causes),
            "conclusion": self.conclusion,
            "findings": [one.to_dict() for one in self.findings],
        }
