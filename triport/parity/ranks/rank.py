"""A process among several that share one evaluation, and what goes wrong between them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from triport.reference_models.errors import TriportError


class RankError(TriportError):
    """The ranks do not meet, another one failed or is gone, or they do not run the same."""


class Ranks(Protocol):
    """This process among its equals."""

    rank: int
    size: int
    backend: str

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what every rank gave, by rank; all give int32 of one shape.

        Raises:
            RankError: another rank is gone.
        """
        ...

    def close(self) -> None:
        """Leave the others in good order."""
        ...


class Alone:
    """The only process."""

    rank = 0
    size = 1
    backend = "none"

    def gather(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what was given."""
        return [rows]

    def close(self) -> None:
        """Do nothing."""


def first_line(error: Exception) -> str:
    """Return what an error says before its traces of other languages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
