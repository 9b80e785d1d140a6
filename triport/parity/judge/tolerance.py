"""What a noise allows: a multiple of it, and a few roundings at the least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# How many runs tell a noise, beside the one that they are compared with where that is not one of them.
DRAWS = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a noise becomes a tolerance.

    `rounding` is the largest relative error of one rounding, half the distance between 1 and the next
    number (in fixed point half a step, relative to the largest); `factor` how often over its noise a
    runtime may be from the reference; and no tolerance is below `floor` roundings of the largest value:
    where the draws happen to agree, the runtimes still round their last sums, and a folded BatchNorm its
    weights. `draws` is how many runs tell the noise; the more, the smaller a factor will do.
    """

    rounding: float
    factor: float
    floor: int
    fixed_point: bool = False
    draws: int = DRAWS

    def tolerance_of(self, noise: float, least: float | None = None) -> float:
        """Return the tolerance for a noise, both relative to the largest value.

        Noise that is not finite widens nothing: such a run is itself at fault. `least` is the smallest
        tolerance, where it is not the calibration's own.
        """
        least = self.least if least is None else least
        return max(least, self.factor * noise) if np.isfinite(noise) else least

    @property
    def least(self) -> float:
        """The smallest tolerance."""
        return self.floor * self.rounding


# `python benchmarks/false_alarms.py` prints the largest ratio that a right runtime needed, over every model.
FLOAT32 = Calibration(2.0**-24, 8, 16)
FLOAT64 = Calibration(2.0**-53, 8, 64)
# Draws of a lower precision hold all of its roundings, not the input's alone: see noise/perturbed.py.
FLOAT16 = Calibration(2.0**-11, 4, 8)
BFLOAT16 = Calibration(2.0**-8, 4, 8)
CALIBRATIONS = {
    "float32": FLOAT32,
    "O0": FLOAT32,
    **dict.fromkeys(("tf32", "hf32", "float16", "O1", "O2", "O3"), FLOAT16),
    "bfloat16": BFLOAT16,
    # A step is coarse enough to see: what is allowed beyond the noise costs accuracy that a user would miss.
    "int8": Calibration(1 / 254, 2, 2, fixed_point=True, draws=9),
}
# A tolerance above it would hide faults that a user sees: the network is ill-conditioned, and that is said.
WIDEST = 1e-3
# The same where a network computes in a narrow type, whose noise alone may be that much.
WIDEST_NARROW = 0.02


def least_of(array: np.ndarray, calibration: Calibration) -> float:
    """Return the smallest tolerance of an output: whole numbers and truth values round nothing."""
    return 0.0 if array.dtype.kind in "iub" else calibration.least


def within(errors: Sequence[float], allowed: Sequence[float]) -> bool:
    """Return whether every output is as near as it must be."""
    return all(error <= most for error, most in zip(errors, allowed, strict=True))


def share_of(error: float, allowed: float) -> float:
    """Return how much of its tolerance an error needs; what needs most decides."""
    if error == 0:
        return 0.0
    return error / allowed if allowed else np.inf


def worst_of(errors: Sequence[float], allowed: Sequence[float]) -> int:
    """Return which output needs most of its tolerance; one that is out comes before all that are not."""
    pairs = list(zip(errors, allowed, strict=True))
    return max(range(len(pairs)), key=lambda at: (not pairs[at][0] <= pairs[at][1], share_of(*pairs[at])))
