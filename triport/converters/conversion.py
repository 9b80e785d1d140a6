"""What a conversion of a checkpoint did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from triport.reference_models.result import SCHEMA_VERSION
from triport.reference_models.spec import Architecture

if TYPE_CHECKING:
    from triport.converters.dtypes import Rounding

SHIPPED = Path(__file__).parents[1] / "shipped" / "res2net_digits.ckpt"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did.

    `dropped` lists the source's names that were not used, and why; `assumed` what nothing in the source says
    and was taken for granted; `loads_in` the publishers' own architectures that load what was written.
    `graph_not_compared` says why the source's graph was not held against the model's, None where it was.
    """

    source: str
    output: str
    model: str
    source_runtime: str
    target_runtime: str
    dialect: str
    num_classes: int
    tensors_written: int
    dropped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    rounding: Rounding | None = None
    assumed: tuple[str, ...] = ()
    loads_in: tuple[Architecture, ...] = ()
    graph_not_compared: str | None = None
    schema_version: ClassVar[int] = SCHEMA_VERSION

    @property
    def passed(self) -> bool:
        """A conversion that was not right is an error and leaves no file."""
        return True

    @property
    def is_of_shipped(self) -> bool:
        """Whether the source is the small trained model that triport ships."""
        return self.source == str(SHIPPED)

    @property
    def round_trip(self) -> str:
        """How what was read back compares with what was to be written."""
        words = f"bit-equal to the values in {self.rounding.dtype}" if self.rounding else "bit-equal"
        if self.graph_not_compared is None:
            return words
        return f"{words}; the graph was not compared: {self.graph_not_compared}"

    def to_dict(self) -> dict[str, Any]:
        """Return what `convert --json` prints."""
        return {
            "schema_version": self.schema_version,
            "source": self.source,
            "output": self.output,
            "model": self.model,
            "from": self.source_runtime,
            "to": self.target_runtime,
            "dialect": self.dialect,
            "num_classes": self.num_classes,
            "tensors_written": self.tensors_written,
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "round_trip": self.round_trip,
            "warnings": list(self.warnings),
            "assumed": list(self.assumed),
            "loads_in": [asdict(one) for one in self.loads_in],
            "graph_not_compared": self.graph_not_compared,
            **({"rounding": self.rounding.to_dict()} if self.rounding else {}),
        }
