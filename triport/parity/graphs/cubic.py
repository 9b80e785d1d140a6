"""Cubic interpolation as MindSpore 2.10 computes it on a CPU: the weights are from a table of 1024 phases."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

PHASES = 1024


class Axis(NamedTuple):
    """How one axis is interpolated."""

    before: int
    after: int
    coordinates: str
    coefficient: float
    is_excluded: bool  # what lies outside the image counts for nothing

    def weights(self) -> np.ndarray:
        """Return the matrix (after, before), each row's phase rounded to the table's."""
        matrix = np.zeros((self.after, self.before))
        for row in range(self.after):
            place = self._place(row)
            start = math.floor(place)
            phase = round((place - start) * PHASES) / PHASES
            for index in range(start - 1, start + 3):
                inside = min(max(index, 0), self.before - 1)
                if inside == index or not self.is_excluded:
                    matrix[row, inside] += _cubic(abs(phase + start - index), self.coefficient)
            if self.is_excluded:
                matrix[row] /= matrix[row].sum()
        return matrix.astype(np.float32)

    def _place(self, row: int) -> float:
        if self.coordinates == "align_corners":
            return row * (self.before - 1) / (self.after - 1) if self.after > 1 else 0.0
        if self.coordinates == "asymmetric":
            return row * self.before / self.after
        return (row + 0.5) * self.before / self.after - 0.5


def _cubic(distance: float, a: float) -> float:
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:
        return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return 0.0
