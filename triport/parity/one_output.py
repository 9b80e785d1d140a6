"""Whether a network gives one output whatever goes in: then equal outputs say little of its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from triport.reference_models.network import Arrays

from .further import FurtherReference
from .judge.difference import distance, largest_value

# what a report says then
ONE_OUTPUT = "every input that was run gives one output, so that little of the graph was judged"


def gives_one_output(
    outputs: Arrays, further: Sequence[FurtherReference], allowed: Mapping[str, float]
) -> bool:
    """Whether the rows of every output differ from one another by no more than is allowed of noise.

    A head whose weights are 0 is such a network: what is before it reaches no output.

    Args:
        outputs: what the reference computes of the main feed.
        further: what it computes of the further inputs.
        allowed: the tolerance of each output, relative to its largest value.
    """
    with_rows = [one for one in further if one.rows is not None]
    if not with_rows:
        return False
    feeds = [outputs, *(one.outputs for one in with_rows)]
    axes = with_rows[0].rows.outputs if with_rows[0].rows is not None else {}
    return all(
        _is_one([np.moveaxis(feed[name], axis, 0) for feed in feeds], allowed[name])
        for name, axis in axes.items()
    )


def _is_one(feeds: Sequence[np.ndarray], allowed: float) -> bool:
    first = feeds[0][:1]
    same = [feed for feed in feeds if feed.shape[1:] == first.shape[1:]]
    if sum(map(len, same)) < 2 or not np.isfinite(first).all():
        return False
    return all(
        distance(feed, np.broadcast_to(first, feed.shape)) <= allowed * largest_value(first) for feed in same
    )
