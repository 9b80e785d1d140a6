"""Which tensors differ between two files whose names tell which is which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triport.converters.comparison import Difference, compare_files


@dataclass(frozen=True, slots=True)
class NamedComparison:
    """Two files tensor by tensor; `model` is None where they are of no model that both can be of.

    `left_out` says in words what a file holds beside what was compared.
    """

    model: str | None
    compared: int
    differences: tuple[Difference, ...]
    left_out: tuple[str, ...] = ()


def compare_named(first: Path, second: Path) -> NamedComparison:
    """Compare the tensors of two checkpoints, of any format and dialect, bit for bit."""
    found = compare_files(first, second)
    return NamedComparison(found.model, found.tensors, found.differences, found.left_out)


def sentence(difference: Difference) -> str:
    """Return what differs of one tensor, in a line."""
    if difference.kind in ("missing", "extra"):
        where = "second" if difference.kind == "missing" else "first"
        return f"{difference.name}: not in the {where} file"
    if difference.kind != "value":
        return f"{difference.name}: {difference.kind} {difference.first} and {difference.second}"
    far = "NaN or Inf on one side" if difference.max_abs is None else f"by up to {difference.max_abs:.3g}"
    far = f", {far}" if difference.values else ""
    return f"{difference.name}: {difference.values_in_words}{far} ({difference.first})"
