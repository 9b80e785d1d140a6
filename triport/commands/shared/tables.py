"""Tables that lose nothing where the terminal is narrow: no word of one is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Column, Table

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
    if not table.show_header:  # names and values, of which a hash then has room in 80 columns
        if _whole_width(table, console, options) > options.max_width:
            table.box, table.pad_edge, table.title_justify = None, False, "left"
        yield table
    elif _has_room(table, console, options):
        yield table
    else:
        yield from _blocks(table, console, options.max_width)


def _whole_width(table: Table, console: Console, options: ConsoleOptions) -> int:
    """Return how wide a table is where no cell of it is broken."""
    from rich.measure import Measurement

    return Measurement.get(console, options.update(max_width=_ANY_WIDTH), table).maximum


def _has_room(table: Table, console: Console, options: ConsoleOptions) -> bool:
    """Whether the table is no wider than the terminal if its columns are broken between words only.

    Each column is made as wide as it then must be, with a share of what is left.
    """
    whole = _whole_width(table, console, options)
    if whole <= options.max_width:
        return True
    any_width = options.update(max_width=_ANY_WIDTH)
    sizes = [_least_and_whole(column, console, any_width) for column in table.columns]
    wishes = [longest - least for least, longest in sizes]
    left = options.max_width - whole + sum(wishes)
    if left < 0:
        return False
    for column, (least, _), wish in zip(table.columns, sizes, wishes, strict=True):
        column.width = least + left * wish // sum(wishes)
    return True


def _least_and_whole(column: Column, console: Console, options: ConsoleOptions) -> tuple[int, int]:
    """Return how wide a column must be, and how wide it is where no cell of it is broken."""
    from rich.measure import Measurement

    sizes = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    longest = max(size.maximum for size in sizes)
    if column.no_wrap or all(size.minimum == size.maximum for size in sizes):
        return longest, longest
    word = min(max(size.minimum for size in sizes), _LONGEST_WORD)
    return max(word, sizes[0].maximum), longest


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
