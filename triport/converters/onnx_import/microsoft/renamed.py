"""Operators that the standard has too, under other names or since later versions."""

from __future__ import annotations

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

# since which opset the standard has them as they are here
_SINCE = {"Trilu": 14, "GatherND": 12, "Pad": 11, "Range": 11}


@rule("Trilu", "GatherND", "Pad", "Range")
def _same(made: Expansion) -> None:
    given = {attribute.name: made.attribute(attribute.name, None) for attribute in made.node.attribute}
    if made.opset < _SINCE[made.node.op_type]:
        raise NotExpandedError
    made.check(len(made.node.input))
    made.give(0, made.put(made.node.op_type, *made.node.input, **given))


@rule("ExpandDims")
def _new_axis(made: Expansion) -> None:
    made.check(2)
    (axis,) = np.atleast_1d(made.array(1)).tolist()
    made.give(0, made.put("Unsqueeze", made.of(0), axes=[axis]))


@rule("NhwcMaxPool")
def _pool(made: Expansion) -> None:
    """The largest of each window, channels last."""
    given = {attribute.name: made.attribute(attribute.name, None) for attribute in made.node.attribute}
    made.check(1)
    if made.rank(made.of(0)) != 4 or made.opset < 12:
        raise NotExpandedError
    x = made.put("Transpose", made.of(0), perm=[0, 3, 1, 2])
    made.give(0, made.put("Transpose", made.put("MaxPool", x, **given), perm=[0, 2, 3, 1]))
