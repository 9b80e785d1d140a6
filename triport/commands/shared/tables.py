"""Tables that lose nothing where the terminal is narrow: no word of one is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table

_INDENT = 2
# of a column of sentences, where a longer one, such as a hash, is broken
_LONGEST_WORD = 30
_ANY_WIDTH = 1_000_000


def fitted(table: Table, console: Console, options: ConsoleOptions) -> Iterator[Any]:
    """Yield a table if every word has room in its column, and otherwise a block of lines for each row.

    A hash among sentences is broken over two lines; a name in a column of names never is.
    """
    for column in table.columns:
        column.overflow = "fold"
    if not table.show_header or _least_width(table, console, options) <= options.max_width:
        yield table
        return
    yield from _blocks(table, console, options.max_width)


def _least_width(table: Table, console: Console, options: ConsoleOptions) -> int:
    """Return how wide a table is whose columns are broken between words only; such columns are marked."""
    from rich.measure import Measurement

    options = options.update(max_width=_ANY_WIDTH)
    widest, least = 0, 0
    for column in table.columns:
        sizes = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
        longest, word = max(size.maximum for size in sizes), max(size.minimum for size in sizes)
        column.no_wrap = column.no_wrap or all(size.minimum == size.maximum for size in sizes)
        widest += longest
        least += longest if column.no_wrap else min(word, _LONGEST_WORD)
    borders = Measurement.get(console, options, table).maximum - widest
    return least + borders


def _blocks(table: Table, console: Console, width: int) -> Iterator[Any]:
    """Yield the rows: the first cell alone, and below it the others, each with its column's heading."""
    from rich.text import Text

    yield from filter(None, [table.title])
    first, *others = table.columns
    rows: Iterator[Any] = zip(first.cells, *(column.cells for column in others), strict=True)
    for head, *cells in rows:
        yield head
        said = "  ".join(
            f"[dim]{column.header}[/] {cell}" for column, cell in zip(others, cells, strict=True) if cell
        )
        for line in Text.from_markup(said).wrap(console, width - _INDENT, no_wrap=False) if said else ():
            line.rstrip()
            yield Text(" " * _INDENT).append_text(line)
    yield from filter(None, [table.caption])
