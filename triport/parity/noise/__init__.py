"""How far float32 is from itself: the same network run with other roundings.

A tolerance must come from the model and the input, because both decide how rounding errors grow, and
it must not come from the run that is judged. So a few runs of PyTorch on the CPU, none of them judged,
each with the input's values moved by one float32 step or left alone, and each with another order of
summation: as it is, channels last, one image at a time. A sigmoid has no sum that could be reordered, and
libraries differ most in it (MindSpore's is off by 14 roundings of 1 on a CPU, PyTorch's by 1.5): it is moved
by 4, up and down. In lower precisions every value that a layer takes in is moved (perturbed.py).
The noise is the largest distance of these runs from the first, relative to the largest value of the
float64 reference. It is the distance between runs, not from the reference: a fault that they share does
not widen the tolerance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from triport.parity.precision import FULL
from triport.parity.runtimes.pytorch import ORDERS, Order, PyTorchRunner
from triport.reference_models.network import Arrays, Network

from .perturbed import PerturbedRunner
from .redrawn import Redrawn


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
    draws: int = len(ORDERS)

    def tolerance_of(self, noise: float) -> float:
        """Return the tolerance for a noise, both relative to the largest value.

        Noise that is not finite widens nothing: such a run is itself at fault.
        """
        return max(self.least, self.factor * noise) if np.isfinite(noise) else self.least

    @property
    def least(self) -> float:
        """The smallest tolerance."""
        return self.floor * self.rounding


# `python benchmarks/false_alarms.py` prints the largest ratio that a right runtime needed, over every model.
FLOAT32 = Calibration(2.0**-24, 8, 16)
# Draws of a lower precision hold all of its roundings, not the input's alone: see perturbed.py.
_HALF = Calibration(2.0**-11, 4, 8)
CALIBRATIONS = {
    "float32": FLOAT32,
    "O0": FLOAT32,
    **dict.fromkeys(("tf32", "hf32", "float16", "O1", "O2", "O3"), _HALF),
    "bfloat16": Calibration(2.0**-8, 4, 8),
    # A step is coarse enough to see: what is allowed beyond the noise costs accuracy that a user would miss.
    "int8": Calibration(1 / 254, 2, 2, fixed_point=True, draws=9),
}


def rounded_runner(network: Network, parameters: Arrays, precision: str, seed: int) -> PyTorchRunner:
    """Return the runner whose runs tell the noise of a precision: PyTorch on the CPU."""
    if precision in FULL:
        return PyTorchRunner(network, parameters)
    calibration = CALIBRATIONS[precision]
    return PerturbedRunner(
        network,
        parameters,
        rounding=calibration.rounding,
        fixed_point=calibration.fixed_point,
        draws=calibration.draws,
        seed=seed,
    )


def nudged_feeds(feed: Arrays, seed: int, draws: int = len(ORDERS)) -> Iterator[tuple[Arrays, Order]]:
    """Yield one feed per draw, nudged, and the order in which to sum."""
    for draw, order in enumerate(itertools.islice(itertools.cycle(ORDERS), draws)):
        random = np.random.default_rng([seed, draw])
        yield {name: nudged(array, random) for name, array in feed.items()}, order


def nudged(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return an array as float32 with each value one step of float32 down, as it is, or one step up.

    What is not floating point has no roundings, and stays.
    """
    if array.dtype.kind != "f":
        return array
    steps = random.integers(-1, 2, array.shape, dtype=np.int8)
    return (array * (1 + 2 * FLOAT32.rounding * steps)).astype(np.float32)


def draws_of(rounded: Redrawn, feed: Arrays, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the outputs of the runs that tell the noise; `rounded` runs in the precision in question."""
    for moved, order in nudged_feeds(feed, seed, rounded.draws):
        yield rounded.run(moved, order)


def noise_of(rounded: Redrawn, feed: Arrays, seed: int, largest: Mapping[str, float]) -> dict[str, float]:
    """Return the noise of each output, relative to its `largest` value."""
    draws = list(draws_of(rounded, feed, seed))
    return {name: spread((draw[name] for draw in draws), largest[name]) for name in largest}


def spread(draws: Iterable[np.ndarray], largest: float) -> float:
    """Return the largest distance of the draws from the first, relative to `largest`."""
    first, *others = (np.asarray(draw, np.float64) for draw in draws)
    distances = [np.abs(draw - first).max(initial=0.0) for draw in others]
    found = float(np.max(distances))
    return 0.0 if found == 0 else found / largest if largest > 0 else np.inf
