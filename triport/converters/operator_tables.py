"""Operators as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from triport.reference_models.errors import counted, listed

from .operator_support import Need, Needs, Supported

if TYPE_CHECKING:
    from rich.table import Table

MAX_PLACES = 5


def supported_tables(listed_operators: Mapping[str, Sequence[Supported]]) -> Iterator[Table | str]:
    """Yield a table of the operators for each runtime."""
    from rich.markup import escape
    from rich.table import Table

    for target, operators in listed_operators.items():
        table = Table(title=f"{counted(len(operators), 'operator')} to {target}")
        for heading in ("operator", "kind", "what it does", "limits"):
            table.add_column(heading)
        for one in operators:
            table.add_row(*map(escape, (one.name, one.group, one.what, "; ".join(one.limits))))
        yield table


def needs_table(needs: Needs) -> Iterator[Table | str]:
    """Yield what a graph needs, the operators of which some lack first, and the verdict."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"{needs.source}: {counted(len(needs.operators), 'operator')}"))
    table.add_column("operator")
    table.add_column("times", justify="right")
    table.add_column("lacks")
    for one in sorted(needs.operators, key=lambda need: need.passed):
        table.add_row(escape(one.name), str(one.count), escape(_lacks(one)))
    yield table
    opset = f" opset {needs.opset}" if needs.opset is not None else ""
    lacking = [one.name for one in needs.operators if not one.passed]
    if lacking:
        yield escape(f"{needs.to}{opset} lacks {len(lacking)} of {len(needs.operators)} operators")
    else:
        yield escape(f"{needs.to}{opset} has all {counted(len(needs.operators), 'operator')}")
    if needs.note:
        yield escape(needs.note)


def _lacks(need: Need) -> str:
    parts = [f"{reason}\n  {listed(list(places), MAX_PLACES)}" for reason, places in need.lacks]
    if need.num_unjudged:
        parts.append(f"{need.num_unjudged} not judged: what they read lacks, or has no known size")
    return "\n".join(parts)
