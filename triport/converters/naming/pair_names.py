"""The map between the parameters of two networks: rows, each with the steps from one side to the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .step import Shape, Step

if TYPE_CHECKING:
    import numpy as np


# values that the steps of a row may make on the way, of those that it has at either end
_MOST_TIMES, _MOST_MORE = 4, 1 << 20


def _values_of(shapes: Iterable[Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes)


@dataclass(frozen=True, slots=True)
class PairRow:
    """Parameters of the first network and those of the second that hold the same numbers.

    `reason` says in a few words what the row was derived from.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    reason: str = ""

    @property
    def inverse(self) -> PairRow:
        """The same row from the second network to the first.

        Raises:
            StepError: one of its steps cannot be undone.
        """
        return PairRow(self.b, self.a, tuple(step.inverse for step in reversed(self.steps)), self.reason)

    @property
    def computes(self) -> bool:
        """Whether the second network's values are computed, not the first's in other places."""
        return any(step.computes for step in self.steps)

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the second network's tensors, of those of the first's.

        Raises:
            StepError: the steps do not fit them, or make far more values on the way than the row has.
        """
        found = list(shapes)
        sizes = [_values_of(found)]
        for step in self.steps:
            found = step.shapes(found)
            sizes.append(_values_of(found))
        if max(sizes) > _MOST_TIMES * max(sizes[0], sizes[-1]) + _MOST_MORE:
            step = self.steps[sizes.index(max(sizes)) - 1]
            raise step.refuse(
                f"makes {max(sizes):,} values, and its row is of {max(sizes[0], sizes[-1]):,}: no network's "
                f"weights need that"
            )
        return found

    def forward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the second network's tensors, of the first's."""
        found = list(arrays)
        for step in self.steps:
            found = step.forward(found)
        return found

    def backward(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the first network's tensors, of the second's."""
        return self.inverse.forward(arrays)


@dataclass(frozen=True, slots=True)
class PairNames:
    """Rows in which every parameter of both networks stands once, and what is left on either side.

    `kept_a` and `kept_b` are (name, reason) of what a network computes from its own construction, a table of
    relative positions: it is in no row, and keeps the value that the network is built with.
    """

    rows: tuple[PairRow, ...]
    left_a: tuple[str, ...] = ()
    left_b: tuple[str, ...] = ()
    kept_a: tuple[tuple[str, str], ...] = ()
    kept_b: tuple[tuple[str, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no parameter of either network is left."""
        return not self.left_a and not self.left_b

    @property
    def inverse(self) -> PairNames:
        """The same map from the second network to the first.

        Raises:
            StepError: a step cannot be undone.
        """
        rows = tuple(row.inverse for row in self.rows)
        return PairNames(rows, self.left_b, self.left_a, self.kept_b, self.kept_a)

    def forward(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the second network's parameters, of the first's."""
        found: dict[str, np.ndarray] = {}
        for row in self.rows:
            found.update(zip(row.b, row.forward([tensors[name] for name in row.a]), strict=True))
        return found

    def backward(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the first network's parameters, of the second's."""
        return self.inverse.forward(tensors)
