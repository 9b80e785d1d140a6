"""Standard input: `-`, as the end of a pipe. It is kept in a file for as long as the program runs."""

from __future__ import annotations

import sys

from triport.converters.sources.located import FetchOptions, Located, SourceError
from triport.converters.sources.store import check_size
from triport.reference_models.program import keep_input
from triport.reference_models.scratch import scratch_folder

FORM = "-"

_CHUNK_BYTES = 1 << 20
_NAME = "stdin"


def takes(text: str) -> bool:
    """Return whether a SOURCE is a dash."""
    return text == "-"


def bring(text: str, asked: FetchOptions) -> Located:
    """Return a file of what comes in; formats are read by position, which a pipe does not have."""
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceError("-: standard input is a terminal. Pipe a file into it, or name the file")
    folder = scratch_folder()
    path = folder / _NAME
    keep_input(path)
    size = 0
    asked.tell("reading standard input")
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(_CHUNK_BYTES):
            size += len(chunk)
            check_size(size, folder, "standard input")
            file.write(chunk)
    if not size:
        raise SourceError("-: standard input is empty. Did the command before the pipe fail?")
    return Located(path)
