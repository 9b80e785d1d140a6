"""Conversions and inspections as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from converters.convert import Conversion
    from converters.inspection import Inspection


def conversion_lines(done: Conversion, shipped: bool) -> Iterator[str]:
    """Yield what a conversion did, then its warnings.

    Plain lines: a third of a conversion's time would go into importing rich.
    """
    rows = [
        ("source", f"{done.source}{' (the small trained model that triport ships)' if shipped else ''}"),
        ("output", done.output),
        ("model", f"{done.model}, {done.num_classes} classes"),
        ("from, to", f"{done.source_runtime} -> {done.target_runtime}, {done.dialect} names"),
        ("tensors", f"{done.tensors_written} written, {len(done.dropped)} dropped"),
    ]
    for reason, count in Counter(reason for _, reason in done.dropped).items():
        rows.append(("", f"{count} dropped: {reason}"))
    if done.rounding is not None:
        rounding = done.rounding
        at = f" in {rounding.tensor}" if rounding.tensor else ""
        rows.append(
            (
                "rounding",
                f"to {rounding.dtype}: at most {rounding.max_abs_error:.3g}{at}, "
                f"{rounding.max_rel_error:.3g} of the value; {rounding.became_zero} values became 0",
            )
        )
    rows.append(("round trip", done.round_trip))
    yield "Converted"
    yield from (f"  {title:<11} {text}" for title, text in rows)
    yield from (f"Note: {warning}" for warning in done.warnings)


def inspection_table(found: Inspection) -> Iterator[Table | str]:
    """Yield what a checkpoint is, then its problems."""
    from rich.table import Table

    checkpoint = found.checkpoint
    table = Table(title=str(checkpoint.path), show_header=False)
    table.add_row("format", f"{checkpoint.format} ({checkpoint.runtime})")
    for one in found.fits:
        table.add_row("model", f"{one.spec.name}, {one.num_classes} classes, {one.dialect.name} names")
    if not found.fits:
        table.add_row("model", "none that is known")
    dtypes = Counter(tensor.dtype for tensor in checkpoint.tensors.values())
    table.add_row("tensors", ", ".join(f"{count} {dtype}" for dtype, count in dtypes.items()))
    table.add_row("parameters", f"{found.num_parameters:,} (BatchNorm statistics not counted)")
    table.add_row("dropped", str(len(checkpoint.dropped)))
    for key, value in checkpoint.metadata.items():
        table.add_row(key, value)
    table.add_row("sha256", found.sha256)
    yield table
    for note in checkpoint.notes:
        yield f"Note: {note}"
    for problem in found.problems:
        yield f"[bold red]Problem:[/] {problem}"
