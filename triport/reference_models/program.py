"""How the program was started, so that a hint can be typed as it stands, and what it was given as input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALLED = "triport"
FROM_CHECKOUT = "python cli.py"

_name = INSTALLED


def program() -> str:
    """Return the words that start triport here: "triport", or "python cli.py" in a checkout."""
    return _name


@contextmanager
def started_as(name: str) -> Iterator[None]:
    """Let hints begin with `name`; what is published or generated says so, to be the same everywhere."""
    global _name
    before, _name = _name, name
    try:
        yield
    finally:
        _name = before


def as_started(text: str) -> str:
    """Return a text with commands, written as in a checkout, as they are typed here."""
    if _name == FROM_CHECKOUT:
        return text
    # torchrun takes a file or a module
    return text.replace(FROM_CHECKOUT, _name).replace(" cli.py ", " -m triport ")


_kept_inputs: list[Path] = []


def keep_input(path: Path) -> None:
    """Remember the file in which standard input is kept, whose name means nothing to a reader."""
    _kept_inputs.append(path)


def as_typed(word: str) -> str:
    """Return a word of a command as the user can type it again: standard input is a dash."""
    return "-" if word in map(str, _kept_inputs) else word


def kept_inputs() -> list[Path]:
    """Return the files in which standard input is kept."""
    return list(_kept_inputs)
