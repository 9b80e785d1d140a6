"""The rows of benchmarks/convert.py: what each process took, in ratios, tables and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

START, COPY, SCRIPT, CONVERT = "python -c pass", "cp", "obvious script", "cli.py convert"
BY_NAMES = "cli.py convert --names"
METRICS = ("cpu_s", "wall_s", "peak_bytes")


class Usage(NamedTuple):
    """What one process took."""

    cpu_s: float
    wall_s: float
    peak_bytes: float


@dataclass(frozen=True, slots=True)
class Row:
    """One command of a direction, and what each of its counted runs took."""

    direction: str
    what: str
    command: list[str]
    output: Path | None
    runs: list[Usage] = field(default_factory=list)
    is_checked: bool = False

    def median(self, metric: str) -> float:
        """Return the median of a metric over the runs."""
        return statistics.median(getattr(run, metric) for run in self.runs)

    def ratio(self, other: Row, metric: str) -> float:
        """Return the median, over the rounds, of this row's metric in units of the other's."""
        pairs = zip(self.runs, other.runs, strict=True)
        return statistics.median(getattr(a, metric) / getattr(b, metric) for a, b in pairs)

    def cpu_above_start(self, copy: Row, start: Row) -> float:
        """Return the median of the CPU time beyond the interpreter's start, in units of a copy's."""
        rounds = zip(self.runs, copy.runs, start.runs, strict=True)
        return statistics.median((mine.cpu_s - begin.cpu_s) / cp.cpu_s for mine, cp, begin in rounds)


def as_dict(row: Row, rows: list[Row]) -> dict[str, Any]:
    """Return a row with its medians, its ratios and every run."""
    result: dict[str, Any] = {"direction": row.direction or None, "what": row.what}
    result["median"] = {metric: row.median(metric) for metric in METRICS}
    for key, what in (("of_cp", COPY), ("of_script", SCRIPT), ("of_dialect", CONVERT)):
        other = _same_direction(row, rows, what) if what != CONVERT or row.what == BY_NAMES else None
        result[key] = other and {metric: row.ratio(other, metric) for metric in METRICS}
    result["cpu_above_start_of_cp"] = _above_start(row, rows)
    result["runs"] = [run._asdict() for run in row.runs]
    return result


def tables_of(rows: list[Row], result: dict[str, Any], floor_bytes: float) -> Iterator[Table]:
    """Yield the rows as a table; a peak that cannot be told from the launcher's own is an upper bound."""
    title = f"Whole processes, {result['model']} ({result['source_bytes'] / 1e6:.1f} MB), "
    table = Table(
        title=f"{title if result['model'] else ''}medians of {len(rows[0].runs)} interleaved runs",
        caption="of cp, of script, of dialect (convert without --names): the median ratio within each round; "
        "above start: CPU beyond the interpreter's, of cp's. Outputs bit-equal."
        if result["model"]
        else None,
    )
    table.add_column("")
    of_cpu = ("CPU s", "of cp", "above start", "of script", "of dialect")
    for heading in (*of_cpu, "wall s", "of cp", "of script", "peak MB"):
        table.add_column(heading, justify="right")
    direction = ""
    for row in rows:
        if row.direction != direction:
            direction = row.direction
            table.add_section()
            table.add_row(f"[bold]{direction}")
        above = _above_start(row, rows)
        cells = [f"{row.median('cpu_s'):.3f}", _ratio_cell(row, rows, COPY, "cpu_s")]
        cells += ["" if above is None else f"{above:.2f} x", _ratio_cell(row, rows, SCRIPT, "cpu_s")]
        cells.append(_ratio_cell(row, rows, CONVERT, "cpu_s") if row.what == BY_NAMES else "")
        cells.append(f"{row.median('wall_s'):.3f}")
        cells += [_ratio_cell(row, rows, what, "wall_s") for what in (COPY, SCRIPT)]
        peak = row.median("peak_bytes")
        cells.append(f"{'< ' if peak <= 1.03 * floor_bytes else ''}{peak / 1e6:.0f}")
        table.add_row(row.what, *cells)
    yield table


def _same_direction(row: Row, rows: list[Row], what: str) -> Row | None:
    """Return the row to compare with, None where that makes no sense."""
    if row.what == what or row.what == COPY:
        return None
    return next((other for other in rows if (other.direction, other.what) == (row.direction, what)), None)


def _above_start(row: Row, rows: list[Row]) -> float | None:
    copy = _same_direction(row, rows, COPY)
    return None if copy is None else row.cpu_above_start(copy, next(one for one in rows if one.what == START))


def _ratio_cell(row: Row, rows: list[Row], what: str, metric: str) -> str:
    other = _same_direction(row, rows, what)
    if other is None:
        return ""
    ratio = row.ratio(other, metric)
    return f"{ratio:.{0 if ratio >= 10 else 2 if ratio >= 0.1 else 3}f} x"
