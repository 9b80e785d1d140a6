"""One report on many sources: what became of each, and which could not be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from triport.reference_models.errors import TriportError
from triport.reference_models.result import SCHEMA_VERSION, Result


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each source, in order: its result, or why there is none.

    Attributes:
        results: source and result.
        failed: source and message.
        title: what `to_dict` calls the results.
    """

    results: tuple[tuple[str, Any], ...]
    failed: tuple[tuple[str, str], ...]
    title: str
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @classmethod
    def of(cls, sources: Sequence[str], work: Callable[[str], Result], title: str) -> BatchResult:
        """Do the work on each source; one that cannot be done does not keep the others from it."""
        results, failed = [], []
        for source in sources:
            try:
                results.append((source, work(source)))
            except TriportError as error:
                failed.append((source, str(error)))
        return cls(tuple(results), tuple(failed), title)

    @property
    def passed(self) -> bool:
        """Whether all were done, and are as they should be."""
        return not self.failed and all(result.passed for _, result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "schema_version": self.schema_version,
            self.title: [result.to_dict() for _, result in self.results],
            "failed": [{"source": source, "error": message} for source, message in self.failed],
        }
