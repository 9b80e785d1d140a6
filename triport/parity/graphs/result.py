"""What the conversion of a graph did, as `convert` prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from triport.reference_models.errors import TriportError, counted
from triport.reference_models.result import SCHEMA_VERSION

from .verdicts import OutputsVerdict

FREE = "free"


@dataclass(frozen=True, slots=True)
class AnyConversion:
    """What a conversion did; `batch` says whether the batch axis is free, and why if it is not.

    `batch_proof` says by what a free batch was proven. `special_numbers` is a note on operators whose kernels
    in MindSpore give something else at some; "" for none.
    """

    source: str
    output: str | None
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: int
    tensors_written: int
    batch: str
    comparison: OutputsVerdict
    left_out: tuple[tuple[str, str], ...] = ()
    batch_proof: str = ""
    special_numbers: str = ""
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """Whether the file was kept: the comparison did not fail."""
        return self.output is not None

    @property
    def warnings(self) -> list[str]:
        """What whoever runs the file should know."""
        said = ["" if self.batch == FREE else self.batch, *self.comparison.warnings, self.special_numbers]
        return [text for text in said if text]

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        return {
            "schema_version": self.schema_version,
            "source": self.source,
            "output": self.output,
            "model": None,
            "from": "mindspore",
            "to": "onnx",
            "dialect": None,
            "tensors_written": self.tensors_written,
            "dropped": [{"name": f"output {place}", "reason": what} for place, what in self.left_out],
            "round_trip": "bit-equal",
            "warnings": self.warnings,
            "opset": self.opset,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "nodes": self.nodes,
            "batch": self.batch,
            "batch_proof": self.batch_proof,
            "comparison": self.comparison.as_dict(),
        }

    def lines(self) -> list[str]:
        """Return the result as lines for a terminal."""
        rows = [
            ("source", self.source),
            ("output", self.output or "none: not written, because the results differ"),
            (
                "graph",
                f"{counted(self.nodes, 'node')}, {counted(self.tensors_written, 'parameter')}, opset "
                f"{self.opset}",
            ),
            ("inputs", ", ".join(self.inputs)),
            ("outputs", ", ".join(self.outputs)),
            *(("left out", f"output {place}: {what}, not a tensor") for place, what in self.left_out),
            ("batch", f"{self.batch}: {self.batch_proof}" if self.batch_proof else self.batch),
            ("compared", str(self.comparison)),
            *(("warning", text) for text in self.comparison.warnings),
            *([("note", self.special_numbers)] if self.special_numbers else []),
        ]
        title = "Converted" if self.passed else "Not converted"
        return [title, *(f"  {name:<11} {text}" for name, text in rows)]


class NotEqualError(TriportError):
    """Carries a result out of `replacing`, which then keeps nothing."""

    def __init__(self, done: AnyConversion) -> None:
        super().__init__("\n".join(done.lines()))
        self.done = done


def result_of(run: Callable[[], AnyConversion]) -> AnyConversion:
    """Return what a conversion found, also where nothing was written because the results differ."""
    try:
        return run()
    except NotEqualError as error:
        return error.done
