"""How far float32 is from itself: the same network run with other roundings.

A tolerance must come from the model and the input, because both decide how rounding errors grow, and
it must not come from the run that is judged. So a few runs of PyTorch on the CPU, none of them judged,
each with the input's values moved by one float32 step or left alone, and each with another order of
summation: as it is, channels last, one image at a time. A sigmoid has no sum that could be reordered, and
libraries differ most in it (MindSpore's is off by 14 roundings of 1 on a CPU, PyTorch's by 1.5): it is moved
by 4, up and down. The noise is the largest distance of these
from the first, relative to the largest value of the float64 reference. It is the distance between
runs, not from the reference: a fault that they share does not widen the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .runners.pytorch import ORDERS, Order

# How often over its noise a runtime may be from the reference. `python benchmarks/false_alarms.py`
# prints the largest ratio that a right runtime needed, over every model.
NOISE_FACTOR = 8.0
# No tolerance is below this many roundings of the largest value: where the draws happen to agree,
# the runtimes still round their last sums, and a folded BatchNorm its weights.
FLOOR_ROUNDINGS = 16
# Half the distance between 1 and the next number: the largest relative error of one rounding.
ROUNDING = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def tolerance_of(noise: float, precision: str = "float32") -> float:
    """Return the tolerance for a noise, both relative to the largest value.

    Noise that is not finite widens nothing: such a run is itself at fault.
    """
    floor = FLOOR_ROUNDINGS * ROUNDING[precision]
    return max(floor, NOISE_FACTOR * noise) if np.isfinite(noise) else floor


def nudged_batches(
    batch: np.ndarray, seed: int, precision: str = "float32"
) -> Iterator[tuple[np.ndarray, Order]]:
    """Yield one batch per draw, nudged, and the order in which to sum."""
    for draw, order in enumerate(ORDERS):
        yield nudged(batch, np.random.default_rng([seed, draw]), precision), order


def nudged(array: np.ndarray, random: np.random.Generator, precision: str = "float32") -> np.ndarray:
    """Return an array as float32 with each value one step of `precision` down, as it is, or one step up."""
    steps = random.integers(-1, 2, array.shape, dtype=np.int8)
    return (array * (1 + 2 * ROUNDING[precision] * steps)).astype(np.float32)


def spread(draws: Iterator[np.ndarray], largest: float) -> float:
    """Return the largest distance of the draws from the first, relative to `largest`."""
    first = next(draws).astype(np.float64)
    distances = [np.abs(draw - first).max() for draw in draws]
    found = float(np.max(distances))
    return 0.0 if found == 0 else found / largest if largest > 0 else np.inf
