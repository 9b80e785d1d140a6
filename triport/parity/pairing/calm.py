"""Statistics of norms that fit what the norms are given, so that values do not grow from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triport.reference_models.kinds import KINDS

from .correspondence import watched_parts
from .observed import observe
from .sides import Side

# of a channel without a value, beside the others of its norm
_LEAST = 1e-2


def calm_statistics(side: Side, feed: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return means and variances for the norms of a side, by the parameters' names; they are set as well.

    They are what one pass finds, times the variances and beside the means that the norms had before: two
    norms that are given the same have statistics of their own.
    """
    drawn = side.values()
    owned = {(one.owner, one.role): name for name, one in side.parameters.items()}
    parts = {path: part for path, part in watched_parts(side).items() if part.kind is KINDS["norm"]}
    found: dict[str, np.ndarray] = {}

    def given(path: str, number: int, arrays: list[np.ndarray]) -> None:
        names = owned.get((path, "mean")), owned.get((path, "variance"))
        if number > 1 or len(arrays) != 1 or arrays[0].ndim < 2 or None in names:
            return
        axes = (0, *range(2, arrays[0].ndim))
        mean, variance = arrays[0].mean(axes, np.float64), arrays[0].var(axes, np.float64)
        if not np.isfinite(variance).all() or not variance.any():
            return
        variance = np.maximum(variance, _LEAST * variance.max())
        own = [np.array(drawn[str(name)], np.float64) for name in names]
        values = mean + own[0] * np.sqrt(variance), variance * own[1]
        statistics = {str(name): value.astype(np.float32) for name, value in zip(names, values, strict=True)}
        side.set_values(statistics)
        found.update(statistics)

    observe(side, feed, parts, given, lambda path, number, arrays: None)
    return found
