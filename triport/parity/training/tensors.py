"""A tensor of a training step beside the reference's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triport.parity.judge.tolerance import FLOAT32

# A sum over a batch of products of sums: rounding errors of a gradient add up over forward and backward.
FLOOR = 4 * FLOAT32.least

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class TensorResult:
    """A tensor beside the reference's, relative to the largest value of the reference's."""

    name: str
    error: float
    noise: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance."""
        return self.error <= self.tolerance


def result_of(name: str, error: float, noise: float, floor: float = FLOOR) -> TensorResult:
    """Return the result for an error and a noise; noise that is no number widens nothing.

    `floor` is what rounding alone may make, where runs that all round alike do not show it.
    """
    return TensorResult(name, error, noise, max(FLOOR, floor, FLOAT32.tolerance_of(noise)))
