"""The runs of a network that tell its noise (`judge/noise.py`): PyTorch on the CPU, none of them judged.

Each has the input's values moved by one float32 step or left alone, and another order of summation: as it is,
channels last, one image at a time. A sigmoid has no sum that could be reordered, and libraries differ most in
it (MindSpore's is off by 14 roundings of 1 on a CPU, PyTorch's by 1.5): it is moved by 4, up and down. In
lower precisions every value that a layer takes in is moved (perturbed.py). Three runs tell it, and more where
these are far apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from triport.parity.judge.difference import largest_value
from triport.parity.judge.noise import Noise, nudged, spread, whole_noise
from triport.parity.judge.tolerance import CALIBRATIONS, DRAWS, FLOAT32, WIDEST
from triport.parity.precision import FULL
from triport.parity.runtimes.pytorch import ORDERS, Order, PyTorchRunner
from triport.reference_models.network import Arrays, Network

from .perturbed import PerturbedRunner
from .redrawn import Redrawn

# Above it float32 decides by chance which way a gate or a kink falls: three runs may agree by chance.
FAR_APART = WIDEST / FLOAT32.factor


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


def nudged_feeds(feed: Arrays, seed: int, draws: int = DRAWS) -> Iterator[tuple[Arrays, Order]]:
    """Yield one feed per draw, nudged, and the order in which to sum."""
    for draw, order in enumerate(itertools.islice(itertools.cycle(ORDERS), draws)):
        random = np.random.default_rng([seed, draw])
        yield {name: nudged(array, random, dtype=np.float32) for name, array in feed.items()}, order


def draws_of(
    rounded: Redrawn, feed: Arrays, seed: int, noise: Callable[[list[dict[str, np.ndarray]]], float]
) -> list[dict[str, np.ndarray]]:
    """Return the outputs of the runs that tell the noise; more of them where the first are far apart.

    Args:
        rounded: runs in the precision in question.
        feed: what it runs on, moved by a rounding.
        seed: of the moves.
        noise: how far runs are apart, relative to what they are judged by.
    """
    feeds = nudged_feeds(feed, seed, max(rounded.draws, rounded.most_draws))
    draws = [rounded.run(moved, order) for moved, order in itertools.islice(feeds, rounded.draws)]
    if noise(draws) > FAR_APART:
        draws += [rounded.run(moved, order) for moved, order in feeds]
    return draws


def noise_of(rounded: Redrawn, feed: Arrays, seed: int, right: Arrays) -> dict[str, Noise]:
    """Return the noise of each output, relative to its largest value that is right."""

    def noises(draws: list[dict[str, np.ndarray]]) -> dict[str, Noise]:
        return {name: noise_among([draw[name] for draw in draws], array) for name, array in right.items()}

    return noises(draws_of(rounded, feed, seed, lambda draws: largest_noise(noises(draws).values())))


def largest_noise(noises: Iterable[Noise]) -> float:
    """Return the largest size of noises; one that is no number counts for nothing."""
    return max((noise.size for noise in noises if np.isfinite(noise.size)), default=0.0)


def noise_among(draws: Sequence[np.ndarray], right: np.ndarray) -> Noise:
    """Return the noise of an output that these runs tell; whole numbers have none, but may be unsure."""
    if draws[0].dtype.kind in "iub":
        return whole_noise(draws, right)
    return Noise(spread(draws, largest_value(right)), np.zeros(right.shape, bool))
