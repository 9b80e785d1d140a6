"""How results reach the terminal or a file, and how long work shows where it is."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from triport.reference_models.errors import without_controls
from triport.reference_models.program import as_typed, kept_inputs

from .command import TYPED, is_quiet


def emit(value: Any, json_path: str | None, show: Callable[[], None]) -> None:
    """Show a result, or write it as JSON, or both; to stdout goes one of the two."""
    if json_path == "-":
        click.echo(json.dumps(_as_given(value), indent=2))
        return
    if not is_quiet():
        show()
    if json_path is not None:
        write_text(json_path, json.dumps(_as_given(value), indent=2) + "\n")


def _as_given(value: Any) -> Any:
    """Return a JSON value in which standard input is called "-", as it was given, wherever it stands."""
    if not kept_inputs():
        return value
    if isinstance(value, dict):
        return {_as_given(key): _as_given(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_given(one) for one in value]
    return _with_standard_input(as_typed(value)) if isinstance(value, str) else value


def _with_standard_input(text: str) -> str:
    """Return a text in which the file that standard input is kept in is not named."""
    for path in kept_inputs():
        text = text.replace(str(path), "standard input")
    return text


def write_text(path: str, text: str) -> None:
    """Write a report's file: complete, or not there."""
    from triport.converters.formats import replacing

    with replacing(path) as temporary:
        # names of files may hold what no encoding has
        Path(temporary).write_text(_with_standard_input(text), encoding="utf-8", errors="backslashreplace")


def print_pieces(*pieces: Any) -> None:
    """Print tables and lines; as wide as they are where stdout is no terminal. Nothing with -q."""
    if is_quiet():
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else _wide_console()
    for piece in pieces:
        console.print(_Printable(piece))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of text, without the control characters that a name in them may have.

    On a terminal what follows a column goes on below itself.
    """
    text = "\n".join(without_controls(on_one_line(line)) for line in lines)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(hanging(line, width) for line in text.split("\n"))
    click.echo(text)


def hanging(line: str, width: int) -> str:
    """Return a line that is too long for a terminal, broken between words, under its last column."""
    columns = [gap.end() for gap in re.finditer(r"(?<=\S) {2,}", line[: width // 2])]
    if len(line) <= width or not columns or " " not in line[columns[-1] :]:
        return line
    broken = textwrap.wrap(
        line, width, subsequent_indent=" " * columns[-1], break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(broken)


def on_one_line(text: str) -> str:
    """Return a text in which each name that was typed is on one line, and standard input has its name.

    A name with a line break in it would otherwise begin a line that says whatever it likes.
    """
    for name, shown in _broken_names():
        text = text.replace(name, shown)
    return _with_standard_input(text)


def _broken_names() -> list[tuple[str, str]]:
    """Return the names of files with a line break in them, the longest first, and what is printed of each."""
    context = click.get_current_context(silent=True)
    typed = context.find_root().meta.get(TYPED, ()) if context is not None else ()
    broken = {name for word in typed if "\n" in word for name in (word, str(Path(word)), Path(word).name)}
    return [(name, name.replace("\n", "\\n")) for name in sorted(broken, key=len, reverse=True)]


class _Printable:
    """A table or line whose control characters, which a file's name may hold, are written as Python does."""

    def __init__(self, piece: Any) -> None:
        self._piece = piece

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.segment import Segment

        for piece in self._parts(console, options):
            shown = console.render_str(on_one_line(piece)) if isinstance(piece, str) else piece
            for text, style, control in console.render(shown, options):
                yield Segment(text if control else without_controls(text), style, control)

    def _parts(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.table import Table

        from .tables import fitted

        piece = self._piece
        if not isinstance(piece, Table):
            yield piece
            return
        if isinstance(piece.title, str):
            piece.title = on_one_line(piece.title)
        yield from fitted(piece, console, options)


def _wide_console() -> Any:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=200)


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[str], None]]:
    """Show the step at work on a terminal's stderr; nothing when piped, every step with -v.

    What is `Lasting` stays there, piped or not.
    """
    if is_quiet():
        yield lambda step: None
        return
    logged = sys.modules.get("logging")
    if logged is not None and logged.getLogger("triport").isEnabledFor(logged.INFO):
        yield logged.getLogger("triport").info
        return
    if not sys.stderr.isatty():
        yield lambda step: click.echo(step, err=True) if _is_lasting(step) else None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    with console.status("starting") as status:
        yield (
            lambda step: (
                console.print(escape(step), soft_wrap=True)
                if _is_lasting(step)
                else status.update(f"{escape(step)} ...")
            )
        )


def _is_lasting(step: str) -> bool:
    from triport.converters.sources import Lasting

    return isinstance(step, Lasting)
