"""Vectors of which nothing says that they are positive: one trial draws them with both signs.

A network that takes the size of a scale, or cuts it off at zero, is another one where trained values are
negative. Where signs leave no numbers, as in a variance that is written out, values stay positive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from triport.converters.naming.pair_names import PairNames

from .mapped import Mapped
from .pieces import key_of
from .proof import Draw
from .sides import Side

# of roles that may have any sign; None: nothing is known
SIGNED = (None, "scale", "slope")
# how often both sides are run to tell which vectors leave numbers
_MOST_RUNS = 24
_MOST_NAMES = 5


def may_be_negative(a: Side, b: Side, names: PairNames) -> tuple[str, ...]:
    """Return the vectors of the first side of which no layer, on either side, says that they are positive."""
    found = []
    for row in names.rows:
        is_variance = any(b.parameters[name].role == "variance" for name in row.b if name in b.parameters)
        for name in row.a:
            one = a.parameters.get(name)
            if one is None or one.role not in SIGNED or len(key_of(one.shape)) > 1:
                continue
            if one.role is not None or not is_variance:
                found.append(name)
    return tuple(dict.fromkeys(found))


def with_numbers(a: Side, b: Side, mapped: Mapped, seed: int, vectors: Sequence[str]) -> frozenset[str]:
    """Return which of some vectors leave numbers when they have both signs, all together.

    Those of one last name are tried together, then halves of what is left. A side that has numbers where the
    other has none is another network; but for MindSpore, whose ReLU makes zeros of what is no number.
    """
    kept: list[str] = []
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in vectors:
        by_name[name.rpartition(".")[2]].append(name)
    waiting = [list(vectors), *by_name.values()] if len(by_name) > 1 else [list(vectors)]
    for _ in range(_MOST_RUNS):
        if not waiting:
            break
        group = waiting.pop(0)
        if _says(a, b, mapped.draw(a, seed, signed=frozenset((*kept, *group)))):
            kept += group
            if len(kept) == len(vectors):
                break
        elif len(group) > 1 and not (len(group) == len(vectors) and len(by_name) > 1):
            half = len(group) // 2
            waiting += [group[:half], group[half:]]
    return frozenset(kept)


def _says(a: Side, b: Side, draw: Draw) -> bool:
    """Whether the outputs of a draw tell anything of the networks."""
    feed = draw.feed()
    draw.give(b)
    outputs = [side.outputs(feed) for side in (a, b)]
    have = [not any(np.isnan(one).any() for one in of_side) for of_side in outputs]
    if all(have):
        # outputs that are zero, or infinite, are no others
        return any(one[np.isfinite(one)].any() for of_side in outputs for one in of_side)
    return any(has and side.runtime == "pytorch" for has, side in zip(have, (a, b), strict=True))


def named(vectors: Sequence[str]) -> str:
    """Return the first of some names, and how many there are more."""
    more = f" and {len(vectors) - _MOST_NAMES} more" if len(vectors) > _MOST_NAMES else ""
    return ", ".join(vectors[:_MOST_NAMES]) + more
