"""What the API's functions take in common: paths, progress, and which tensors of a file are meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from triport.converters.formats.tensors import short

from .checked import ArgumentError as ArgumentError

if TYPE_CHECKING:
    from triport.converters.formats import Selection

PathLike = str | os.PathLike[str]
Progress = Callable[[str], None]
Renames = Mapping[str, str] | Sequence[str]  # {"fc.1": "fc"} or ["fc.1=fc"]


class SelectionOptions(TypedDict, total=False):
    """Which tensors of a file are meant, where it holds more than one network.

    Attributes:
        key: where the state dict lies in a .pth: "a.b" or "a/b".
        prefix: which part of the names is the network: "student", "ema".
        renames: layers' other names: {"fc.1": "fc"}, or ["fc.1=fc"].
    """

    key: str | None
    prefix: str | None
    renames: Renames


def selection_of(key: str | None = None, prefix: str | None = None, renames: Renames = ()) -> Selection:
    """Return which tensors of a file are meant, and under which names."""
    from triport.converters.formats import Selection, parsed_renames

    texts = [f"{old}={new}" for old, new in renames.items()] if isinstance(renames, Mapping) else renames
    if isinstance(texts, str):
        raise ArgumentError(f"renames={texts!r}: expected a mapping such as {{'fc.1': 'fc'}}, or a list")
    return Selection(key, prefix, parsed_renames(texts))


def path_or_none(path: PathLike | None) -> Path | None:
    """Return a path, or None for None.

    Raises:
        ArgumentError: it is neither.
    """
    if path is None or isinstance(path, str | os.PathLike):
        return None if path is None else Path(path)
    raise ArgumentError(f"expected a path, found {type(path).__name__}: {short(repr(path), 60)}")


def quiet(step: str) -> None:
    """Show nothing of a step."""
