"""What a comparison of an ONNX file with MindSpore found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from triport.parity.judge.words import size_of

from .runs import ONNX_RUNTIME

EQUAL, NOT_EQUAL, ILL_CONDITIONED = "equal", "not equal", "ill-conditioned"
UNOPTIMISED = "equal without ONNX Runtime's graph optimisation, not with it"
NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class OutputsVerdict:
    """What was found; `error` and `noise` are relative to the largest value of the output they are of.

    `noise` is how far the Cell's outputs move by themselves, when inputs and parameters are one rounding off
    (`judge.py`); `tolerance` is made of it.
    `plain_error` is the error without ONNX Runtime's graph optimisation, `level` the first level of it
    that differs. `batch_sizes` are those at which the file was compared, each with other images;
    `batch_problem` is why the batch cannot be free. `feed` says which inputs it is of, `edges`
    on which special ones it was compared as well, `note` what else whoever reads the verdict must know.
    """

    verdict: str
    error: float | None = None
    tolerance: float | None = None
    noise: float | None = None
    batch_problem: str | None = None
    plain_error: float | None = None
    level: str | None = None
    runtime: str = ONNX_RUNTIME
    batch_sizes: tuple[int, ...] = ()
    feed: str = ""
    edges: tuple[str, ...] = ()
    note: str = ""
    output_shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()  # by batch size, then by output

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the file."""
        return self.verdict != NOT_EQUAL

    @property
    def was_compared(self) -> bool:
        """Whether both ran on the same inputs."""
        return self.error is not None

    @property
    def warnings(self) -> list[str]:
        """What whoever runs the file should know."""
        found = [self.note] if self.note else []
        if self.verdict == UNOPTIMISED:
            found.append(
                f"{self}. Run the file with GraphOptimizationLevel.ORT_DISABLE_ALL, or in another runtime: "
                "its optimiser changes the results"
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, by name."""
        return {
            "verdict": self.verdict,
            "runtime": self.runtime,
            "max_rel": self.error,
            "tolerance": self.tolerance,
            "noise": self.noise,
            "max_rel_without_optimisation": self.plain_error,
            "optimisation_level_that_differs": self.level,
            "batch_sizes": list(self.batch_sizes),
            "inputs": self.feed,
            "edges": list(self.edges),
            "note": self.note,
        }

    def __str__(self) -> str:
        if self.error is None:
            return self.verdict
        where = f" on {self.feed}" if self.feed else ""
        verdict = f"{self.verdict}, but for what the warning says" if self.note else self.verdict
        text = f"{verdict}: MindSpore and {self.runtime} differ by {size_of(self.error)}{where}"
        if self.level is not None:
            text += f" from level ORT_ENABLE_{self.level} on, by {self.plain_error:.1e} without"
        if self.noise is not None:
            text += f"; one rounding of inputs and parameters moves MindSpore's own by {self.noise:.1e}"
        return f"{text} (tolerance {self.tolerance:.1e})"
