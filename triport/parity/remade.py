"""An ONNX file that is made for one size, and again for each other that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from triport.reference_models.network import Arrays, Network

from .runtimes import Runner


class RemadeRunner:
    """A runner of a file that was made for a feed; for sizes that the file does not take it is made anew."""

    def __init__(self, runner: Runner, make: Callable[[Arrays], Runner]) -> None:
        """`make` returns the runner of the file that is made for a feed."""
        self._runner, self._make = runner, make
        self._made: set[tuple[int, ...]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    @property
    def network(self) -> Network:
        """What it is to be."""
        return self._runner.network

    @network.setter
    def network(self, network: Network) -> None:
        self._runner.network = network

    @property
    def notes(self) -> tuple[str, ...]:
        """What the runner says, and for how many other sizes the file was made anew."""
        if not self._made:
            return self._runner.notes
        return (
            *self._runner.notes,
            f"its file takes the sizes alone that it was made for: for {len(self._made)} other"
            f"{'s' if len(self._made) > 1 else ''} it was made anew",
        )

    def takes(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs may have these shapes: the exporter says it."""
        return True

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        shapes = {name: array.shape for name, array in feed.items()}
        if self._runner.takes(shapes):
            return self._runner.run(feed)
        other = self._make(feed)
        other.network = self.network
        self._made.add(tuple(side for shape in shapes.values() for side in shape))
        return other.run(feed)
