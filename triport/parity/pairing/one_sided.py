"""What one network keeps in parts and the other added up: hidden while the two are matched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from triport.converters.naming.pair_names import PairRow

from .branches import Branches
from .sides import Side
from .sums import Sums


class OneSided:
    """The second biases of recurrent layers and the branches of convolutions, hidden until they are shown."""

    def __init__(self, a: Side, b: Side, feed: Sequence[np.ndarray]) -> None:
        self._sums = Sums(a, b)
        self._branches = Branches(a, b, feed)

    def hide(self) -> None:
        """Leave them out: they add nothing."""
        self._sums.hide()
        self._branches.hide()

    def show(self) -> None:
        """Let the sides have all of their parameters."""
        self._branches.show()
        self._sums.show()

    def rows(self, rows: Iterable[PairRow]) -> list[PairRow]:
        """Return rows of whole tensors in which what is added up stands too."""
        return self._sums.rows(rows)

    def folded(self, rows: Iterable[PairRow]) -> list[PairRow]:
        """Return rows of folded layers in which all branches stand."""
        return self._branches.rows(rows)
