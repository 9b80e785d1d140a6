"""What the choice among twins must withstand: large inputs, and values with any sign.

Two layers are alike where one ends at a value that is never reached, and two factors where both are positive.
Where inputs are large, and what may be a factor is negative, outputs tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .comparing import apart
from .pieces import Piece
from .state import Match, Matching

_WIDTH = 16.0


def apart_with(matching: Matching, matches: Iterable[Match], tried: Match) -> list[float]:
    """Return how far outputs are apart with values of their own for these matches, in each way.

    The inputs are as they are, then large; then every other value of one of the matches is negative, where
    these say anything. The matches have the values that are drawn afterwards.
    """
    for match in matches:
        matching.set_own(match)
    found = [_apart(matching, feed) for feed in feeds_of(matching)]
    if may_be_negative(tried.a):
        matching.set_own(tried, is_signed=True)
        with_signs = _apart(matching, matching.feed)
        # a variance has none
        found += [with_signs] if np.isfinite(with_signs) else []
        matching.set_own(tried)
    return found


def may_be_negative(piece: Piece) -> bool:
    """Whether nothing says that the values of a piece are positive: that may be tried."""
    return piece.role in (None, "scale", "slope") and len(piece.key) < 2


def feeds_of(matching: Matching) -> list[Sequence[np.ndarray]]:
    """Return the inputs, and large ones unless all are whole numbers."""
    if not any(one.dtype.kind == "f" for one in matching.feed):
        return [matching.feed]
    wide = [one * one.dtype.type(_WIDTH) if one.dtype.kind == "f" else one for one in matching.feed]
    return [matching.feed, wide]


def _apart(matching: Matching, feed: Sequence[np.ndarray]) -> float:
    with np.errstate(all="ignore"):
        return apart(*matching.outputs(feed))
