"""A runtime whose own runs tell its noise, where PyTorch's cannot."""

from __future__ import annotations

import numpy as np

from triport.parity.calls import Beside, Feed, Visit
from triport.parity.runtimes import Runner
from triport.parity.runtimes.pytorch import ORDERS, Order
from triport.reference_models.network import Arrays, Network, Rows


class RedrawnRunner:
    """A runner that sums in other orders as far as it can: all rows together, or one by one."""

    draws = len(ORDERS)

    def __init__(self, runner: Runner, network: Network) -> None:
        self._runner = runner
        self._rows: Rows | None = network.rows

    def run(self, feed: Arrays, order: Order = "contiguous") -> dict[str, np.ndarray]:
        """Return the outputs by name."""
        if order != "one by one" or self._rows is None:
            return self._runner.run(feed)
        return self._rows.joined([self._runner.run(row) for row in self._rows.split(feed)])

    def trace(
        self,
        feed: Arrays,
        visit: Visit,
        fed: Feed | None = None,
        beside: Beside | None = None,
        order: Order = "contiguous",
    ) -> None:
        """Tell `visit` of every call, all rows together."""
        self._runner.trace(feed, visit, fed, beside)
