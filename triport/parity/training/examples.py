"""What a run of training is fed: batches with their targets, and the same moved by one rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from triport.parity.inputs import sample_feed
from triport.parity.judge.noise import nudged
from triport.parity.noise import nudged_feeds
from triport.parity.runtimes.pytorch import ORDERS
from triport.reference_models.network import Arrays, Network

from .objective import Objective

BATCHES = 3
# how many runs tell the noise
DRAWS = len(ORDERS)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A batch: named inputs, and what the outputs are drawn towards."""

    feed: Arrays
    targets: Arrays


class Examples:
    """The batches of every run, the same each time that they are asked for."""

    def __init__(self, network: Network, sizes: Mapping[str, int], objective: Objective, seed: int) -> None:
        """`sizes` are those of the network's free axes."""
        self._network, self._sizes, self._objective, self._seed = network, sizes, objective, seed

    def of(self, run: int) -> list[Example]:
        """Return the batches of a run; the gradients are of the first's."""
        feeds = [
            feed_of(self._network, self._sizes, self._seed, number)
            for number in range(run * BATCHES, (run + 1) * BATCHES)
        ]
        random = np.random.default_rng([self._seed, run + (1 << 16)])
        targets = self._objective.targets(random, BATCHES)
        return [Example(feed, aims) for feed, aims in zip(feeds, targets, strict=True)]

    def draws(self, run: int) -> list[list[Example]]:
        """Return a run's batches once for each draw of the noise, every feed moved by one rounding."""
        batches = self.of(run)
        moved = [[feed for feed, _ in nudged_feeds(one.feed, self._seed)] for one in batches]
        return [
            [replace(one, feed=feeds[draw]) for one, feeds in zip(batches, moved, strict=True)]
            for draw in range(DRAWS)
        ]

    def moved(self, parameters: Arrays, draw: int) -> Arrays:
        """Return the parameters of a draw of the noise.

        Whole numbers have no roundings: of a network that is given any, the parameters are moved by one.
        """
        if all(np.dtype(given.dtype).kind == "f" for given in self._network.inputs):
            return parameters
        random = np.random.default_rng([self._seed, draw, 1])
        return {name: nudged(array, random) for name, array in parameters.items()}


def feed_of(network: Network, sizes: Mapping[str, int], seed: int, number: int) -> dict[str, np.ndarray]:
    """Return the inputs of a batch by its number."""
    return sample_feed(network, dict(sizes), [seed, number])


def shapes_of(batches: Sequence[Example]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the inputs by name."""
    return {name: array.shape for name, array in batches[0].feed.items()}
