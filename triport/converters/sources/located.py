"""What was brought, how it is asked for, and what can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from triport.reference_models.errors import TriportError

OPTION = "--offline"


class SourceError(TriportError):
    """A SOURCE cannot be brought to this machine, or is not what it must be."""


class Lasting(str):
    """A step's text that is to stay on the terminal: what was brought from where, and what proves it."""

    __slots__ = ()


class FetchOptions(NamedTuple):
    """How a source is brought: who is told each step, and what forbids to use the network.

    `forbidden_by` is the option, or the variable of the environment; "" where the network may be used.
    """

    tell: Callable[[str], None]
    forbidden_by: str = ""

    @property
    def offline(self) -> bool:
        """Whether only what was brought before may be used."""
        return bool(self.forbidden_by)

    @property
    def not_here(self) -> str:
        """What to say of a source that was not brought before: why it is not now, and what to do."""
        undo = f"Leave {OPTION} out" if self.forbidden_by == OPTION else f"Unset {self.forbidden_by}"
        return f"was not downloaded before, and {self.forbidden_by} forbids a download now. {undo}"


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
