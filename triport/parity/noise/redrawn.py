"""A runtime whose own runs tell its noise, where PyTorch's cannot."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from triport.parity.calls import Feed, ReferenceNames, Visit
from triport.parity.runtimes import Runner
from triport.parity.runtimes.pytorch import ORDERS, Order, PyTorchRunner
from triport.reference_models.network import Arrays, Network


class Redrawn(Protocol):
    """What runs a network in several orders of summation: PyTorchRunner, or the one below."""

    @property
    def draws(self) -> int:
        """How many runs tell its noise."""

    @property
    def most_draws(self) -> int:
        """How many do where these are far apart."""

    def run(self, feed: Arrays, order: Order = "contiguous") -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        ...

    def trace(
        self,
        feed: Arrays,
        visit: Visit,
        fed: Feed | None = None,
        beside: ReferenceNames | None = None,
        order: Order = "contiguous",
    ) -> Arrays | None:
        """Tell `visit` of every call of one run."""
        ...


class RedrawnRunner:
    """A runner that sums in other orders as far as it can: all rows together, or one by one."""

    draws = len(ORDERS)
    most_draws = PyTorchRunner.most_draws

    def __init__(self, runner: Runner, network: Network) -> None:
        self._runner = runner
        self.network = network

    def run(self, feed: Arrays, order: Order = "contiguous") -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        rows = self.network.rows
        if order != "one by one" or rows is None:
            return self._runner.run(feed)
        return rows.joined([self._runner.run(row) for row in rows.split(feed)])

    def trace(
        self,
        feed: Arrays,
        visit: Visit,
        fed: Feed | None = None,
        beside: ReferenceNames | None = None,
        order: Order = "contiguous",
    ) -> Arrays | None:
        """Tell `visit` of every call, all rows together."""
        return self._runner.trace(feed, visit, fed, beside)
