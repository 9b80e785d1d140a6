"""What was brought, how it is asked for, and what can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from triport.reference_models.errors import TriportError


class SourceError(TriportError):
    """A SOURCE cannot be brought to this machine, or is not what it must be."""


class Lasting(str):
    """A step's text that is to stay on the terminal: what was brought from where, and what proves it."""

    __slots__ = ()


class Asked(NamedTuple):
    """How a source is brought: who is told each step, and whether the network may be used."""

    tell: Callable[[str], None]
    offline: bool


@dataclass(frozen=True, slots=True)
class Located:
    """A SOURCE on this machine.

    Attributes:
        path: the file, or the folder.
        weights: the published weights that it was named as, None where a path or an address was given.
        said: what the user is told of it, a line each.
    """

    path: Path
    weights: str | None = None
    said: tuple[str, ...] = ()
