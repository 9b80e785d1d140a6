"""What `pair` prints: the rows, what is left and why, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triport.converters.naming.pair_names import PairRow
from triport.parity.judge.words import size_of
from triport.reference_models.errors import counted

from .result import PairResult

_MOST_ROWS = 12
_MOST_LEFT = 10


def pieces_of(found: PairResult) -> list[Any]:
    """Return a table of rows and the lines of the verdict, to be printed by rich."""
    from rich.markup import escape

    return [_table(found), *(escape(line) for line in lines_of(found))]


def written_lines(found: PairResult, output: str | None, scaffold: Path | None) -> list[str]:
    """Return what was written: how far the map can be relied on, as the file itself says it; a family."""
    from rich.markup import escape

    from triport.converters.naming.reading import read_names

    lines = [] if output is None else [f"{output}: {read_names(output).standing}"]
    if scaffold is not None:
        begun = "the start of a family; CONTRIBUTING.md says what it lacks"
        lines.append(f"{scaffold}: {begun if found.complete else 'not written: the map is not complete'}")
    return [escape(line) for line in lines]


def _table(found: PairResult) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"{found.a} and {found.b}"))
    for title in (f"a ({found.runtimes[0]})", f"b ({found.runtimes[1]})", "steps", "by"):
        table.add_column(title)
    rows = _interesting(found.names.rows)
    for row in rows:
        steps = ", ".join(map(str, row.steps))
        table.add_row(*map(escape, (", ".join(row.a), ", ".join(row.b), steps, row.reason)))
    rest = len(found.names.rows) - len(rows)
    if rest:
        table.add_row(f"... and {rest} more", "", "", "")
    return table


def _interesting(rows: tuple[PairRow, ...]) -> list[PairRow]:
    """Return the rows to be shown: those that say most, in their order."""
    first = [row for row in rows if row.steps][:_MOST_ROWS]
    more = [row for row in rows if not row.steps][: _MOST_ROWS - len(first)]
    shown = {id(row) for row in (*first, *more)}
    return [row for row in rows if id(row) in shown]


def lines_of(found: PairResult) -> list[str]:
    """Return the verdict, and what should be known of it."""
    lines = [_verdict(found)]
    for side, left in (("a", found.names.left_a), ("b", found.names.left_b)):
        if left:
            lines.append(f"left on {side}: {len(left)}")
            reasons = dict(found.reasons)
            lines += [f"  {name}: {reasons.get(f'{side} {name}', '')}" for name in left[:_MOST_LEFT]]
            if len(left) > _MOST_LEFT:
                lines.append(f"  ... and {len(left) - _MOST_LEFT} more")
    for group in found.symmetric:
        lines.append(f"interchangeable, as exchanging them shows: {', '.join(group)}")
    if found.unproven:
        silent = ", ".join(found.unproven)
        lines.append(f"change no output, all or in part, so that nothing proves them: {silent}")
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _verdict(found: PairResult) -> str:
    worst = found.worst
    numbers = (
        ""
        if worst is None
        else f" (needed {size_of(worst.needed_tolerance)}, the noise allows {worst.tolerance:.1e})"
    )
    if found.equal and not found.proven:
        return f"NOT PROVEN: outputs are equal{numbers}, but no parameter of a changes them: any map would do"
    if found.equal:
        but_for = ", but for a kernel of MindSpore's" * any(trial.but_for for trial in found.trials)
        return (
            f"EQUAL{but_for}: {_proven_rows(found)} on {counted(len(found.trials), 'draw')} of weights and "
            f"inputs{numbers}"
        )
    if not found.complete:
        return (
            f"NO COMPLETE MAP: {counted(len(found.names.rows), 'row was', 'rows were')} found, and what is "
            "listed is left"
        )
    where = found.first_parting
    place = "" if where is None or not where.b else f", from {where.a or 'code'} and {where.b} on"
    why = "" if where is None or not where.why else f": {where.why}"
    proven = "PROVEN, but for that" if found.proven else "NOT PROVEN: the map may be wrong"
    return f"ANOTHER GRAPH{place}{why}{numbers}. The map is complete and {proven}"


def _proven_rows(found: PairResult) -> str:
    """Return how many rows numbers prove: not those of a parameter of which some part changes no output."""
    silent = set(found.unproven)
    rows = found.names.rows
    proven = sum(not silent.intersection(row.a) for row in rows)
    return f"{counted(len(rows), 'row')}, {'proven' if proven == len(rows) else f'{proven} of them proven'}"
