"""Conversions and inspections as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from converters.convert import Conversion
    from converters.inspection import Inspection


def conversion_table(done: Conversion, shipped: bool) -> Iterator[Table | str]:
    """Yield what a conversion did, then its warnings."""
    from rich.table import Table

    table = Table(title="Converted", show_header=False)
    table.add_row(
        "source", f"{done.source}{' (the small trained model that triport ships)' if shipped else ''}"
    )
    table.add_row("output", done.output)
    table.add_row("model", f"{done.model}, {done.num_classes} classes")
    table.add_row("from, to", f"{done.source_runtime} -> {done.target_runtime}, {done.dialect} names")
    table.add_row("tensors", f"{done.tensors_written} written, {len(done.dropped)} dropped")
    for reason, count in Counter(reason for _, reason in done.dropped).items():
        table.add_row("", f"{count} dropped: {reason}")
    table.add_row("round trip", "bit-equal")
    yield table
    for warning in done.warnings:
        yield f"[bold yellow]Note:[/] {warning}"


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
