"""Constants that a file with a graph keeps as it keeps weights: the ones and the zeros of a norm written out.

Nothing in the file says so. What tells them is their values, zeros or ones alone, and that the other network
has just as many tensors fewer of their sizes.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from .pieces import Key, key_of
from .sides import Side
from .sides.module import ModuleSide


def keep_constants(a: Side, b: Side) -> None:
    """Let the constants of either side that is a file keep their values, and be no parameters."""
    counts = [Counter(key_of(one.shape) for one in side.parameters.values()) for side in (a, b)]
    for place, side in enumerate((a, b)):
        if not isinstance(side, ModuleSide) or side.graph_file is None:
            continue
        surplus = counts[place] - counts[1 - place]
        found = [
            name for key, names in _constant(side).items() if len(names) == surplus[key] for name in names
        ]
        side.keep(found)


def _constant(side: Side) -> dict[Key, list[str]]:
    """Return the parameters of no known layer that are zeros or ones alone, by their sizes."""
    found: dict[Key, list[str]] = defaultdict(list)
    for name, values in side.values().items():
        one = side.parameters[name]
        if one.leaf is None and values.size and (not values.any() or bool(np.all(values == 1))):
            found[key_of(one.shape)].append(name)
    return found
