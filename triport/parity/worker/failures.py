"""What was raised in one process and is raised again in the other: its kind, its text and its traceback."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from triport.converters.environment import MissingRuntimeError
from triport.reference_models.errors import TriportError

# what is done about an error depends on these; the first that fits
_KINDS: dict[str, type[Exception]] = {
    "missing": MissingRuntimeError,
    "ours": TriportError,
    "memory": MemoryError,
}


class RaisedThereError(Exception):
    """A traceback of the other process, as text: what an exception that came from there is caused by."""


def words_of(error: Exception) -> dict[str, str]:
    """Return an exception as words that can be sent."""
    return {
        "error": type(error).__name__,
        "kind": next((kind for kind, known in _KINDS.items() if isinstance(error, known)), ""),
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def check_answer(words: Mapping[str, Any]) -> None:
    """Raise what these words say was raised there, if they do: under its own name."""
    if "error" not in words:
        return
    kind = _KINDS.get(words["kind"]) or type(words["error"], (Exception,), {})
    raise kind(words["message"]) from RaisedThereError(f"\n{words['traceback']}")
