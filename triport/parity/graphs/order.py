"""Rows in the order of a score, where scores tie: the same rows in another order are no difference.

Detection heads return their boxes best first. Two boxes whose scores differ by a rounding, or not at
all, may be exchanged in another runtime, and then all that belongs to them is. The rows are matched, all
outputs together, and each pair that was exchanged must have scores in the file that tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import onnx

if TYPE_CHECKING:
    import numpy as np

TIE = 1e-6  # of the greatest score: some roundings of float32
SHARE_OF_TOLERANCE = 0.2  # of what the outputs may differ by, where that is more


class Scores(NamedTuple):
    """What a TopK of the file returns: its values, and the size of the axis that it orders."""

    name: str
    axis: int


def with_scores(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[Scores]]:
    """Return a copy of the graph that also returns the values of each TopK, and which these are."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    found = []
    for node in copy.graph.node:
        if node.op_type != "TopK" or not node.output[0]:
            continue
        axis = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
        found.append(Scores(node.output[0], axis[0] if axis else -1))
    known = {output.name for output in copy.graph.output}
    copy.graph.output.extend(
        onnx.ValueInfoProto(name=scores.name) for scores in found if scores.name not in known
    )
    return copy, found


def count_exchanged(
    found: Sequence[np.ndarray],
    references: Sequence[np.ndarray],
    tolerances: Sequence[float],
    scores: np.ndarray,
) -> int | None:
    """Return how many rows lie elsewhere than in the reference because their scores tie.

    Args:
        found: the file's outputs.
        references: MindSpore's.
        tolerances: what each output may differ by, relative to its largest value.
        scores: what the rows are ordered by, its last axis being theirs.

    Returns:
        The number, or None if that does not explain how the outputs differ.
    """
    import numpy as np

    *leading, count = scores.shape
    axis = len(leading)
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for one, two, tolerance in zip(found, references, tolerances, strict=True):
        scale = max(float(np.abs(two.astype(np.float64)).max(initial=0)) * tolerance, 1e-30)
        pair = [array.astype(np.float64) / scale for array in (one, two)]
        if one.shape[: axis + 1] == scores.shape:
            shape = (int(np.prod(leading)), count, -1)
            rows.append((pair[0].reshape(shape), pair[1].reshape(shape)))
        elif not np.all(np.abs(pair[0] - pair[1]) <= 1):
            return None
    if not rows:
        return None
    mine, theirs = (np.concatenate([pair[side] for pair in rows], axis=2) for side in (0, 1))
    keys = scores.astype(np.float64).reshape(-1, count)
    tie = max(TIE, SHARE_OF_TOLERANCE * min(tolerances))
    counts = [_match(*each, tie) for each in zip(mine, theirs, keys, strict=True)]
    return None if None in counts else sum(number for number in counts if number)


def _match(mine: np.ndarray, theirs: np.ndarray, keys: np.ndarray, tie: float) -> int | None:
    """Match the rows (count, numbers) that differ; a unit is what they may differ by.

    Keys tie that differ by no more than `tie` of the greatest.
    """
    import numpy as np

    tie *= max(float(np.abs(keys).max(initial=0)), 1e-30)
    open_rows = list(np.flatnonzero(~np.all(np.abs(mine - theirs) <= 1, axis=1)))
    free = list(open_rows)
    for row in open_rows:
        near = [other for other in free if abs(keys[other] - keys[row]) <= tie]
        fits = [other for other in near if np.all(np.abs(mine[row] - theirs[other]) <= 1)]
        if not fits:
            # of those that tie with the last one kept, another may have been kept
            if abs(keys[row] - keys[-1]) > tie or len(near) == 0:
                return None
            fits = [near[-1]]
        free.remove(fits[0])
    return len(open_rows)
