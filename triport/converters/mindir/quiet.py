"""MindSpore without its prints, and its settings as they were found."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_KEPT = ("mode", "jit_syntax_level", "pynative_synchronize")


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Send what the frameworks' C++ prints to nowhere."""
    saved = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextlib.contextmanager
def context_kept() -> Iterator[None]:
    """Put MindSpore's mode and settings back as they were.

    `mindspore.export` allows only what its strict syntax has, and after an export that fails it stays so:
    from then on a Cell that returns a dictionary gives a tuple.
    """
    import mindspore

    before = {name: mindspore.get_context(name) for name in _KEPT}
    try:
        yield
    finally:
        mindspore.set_context(**before)


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Let Cells be compiled whole, with dictionaries and all else that Python has."""
    import mindspore

    with context_kept():
        mindspore.set_context(mode=mindspore.GRAPH_MODE, jit_syntax_level=mindspore.LAX)
        yield
