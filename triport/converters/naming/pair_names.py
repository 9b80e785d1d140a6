"""The map between the parameters of two networks: rows, each with the steps from one side to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .steps import Step


@dataclass(frozen=True, slots=True)
class Row:
    """Parameters of the first network and those of the second that hold the same numbers.

    `reason` says in a few words what the row was derived from.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    reason: str = ""

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the second network's tensors, of the first's."""
        found = list(arrays)
        for step in self.steps:
            found = step.forward(found)
        return found

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the first network's tensors, of the second's."""
        found = list(arrays)
        for step in reversed(self.steps):
            found = step.backward(found)
        return found


@dataclass(frozen=True, slots=True)
class PairNames:
    """Rows in which every parameter of both networks stands once, and what is left on either side."""

    rows: tuple[Row, ...]
    left_a: tuple[str, ...] = ()
    left_b: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no parameter of either network is left."""
        return not self.left_a and not self.left_b

    def forward(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the second network's parameters, of the first's."""
        found: dict[str, np.ndarray] = {}
        for row in self.rows:
            found.update(zip(row.b, row.forward([tensors[name] for name in row.a]), strict=True))
        return found

    def backward(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the first network's parameters, of the second's."""
        found: dict[str, np.ndarray] = {}
        for row in self.rows:
            found.update(zip(row.a, row.backward([tensors[name] for name in row.b]), strict=True))
        return found
