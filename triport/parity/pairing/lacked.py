"""Biases that one side lacks, among vectors of which nobody knows what they do.

Where each vector of a size has a role, counts say that one side has more biases, and all of them are zeros
while the rest is matched. Beside a norm that is written out no role is believed; then it is tried which
biases have to be zeros for the outputs to be equal.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from .pieces import Block, Plan
from .plans import SMALL
from .state import Matching

# a try is a run of both networks
_MOST_TRIES, _MOST_OF_LARGE = 48, 6


def plans_without_biases(matching: Matching) -> Iterator[Plan]:
    """Yield the plan of a matching with biases that are taken for lacking on the other side."""
    counts = [Counter(piece.key for piece in side if piece.role is None) for side in matching.pieces]
    size = sum(one.size for side in matching.parameters for one in side.values())
    most = _MOST_TRIES if size <= SMALL else _MOST_OF_LARGE
    choices: list[list[tuple[int, tuple[Block, ...]]]] = []
    for key in sorted({*counts[0], *counts[1]}):
        surplus = counts[0][key] - counts[1][key]
        if len(key) != 1 or not surplus:
            continue
        place = int(surplus < 0)
        biases = [
            (piece.name, piece.block)
            for piece in matching.pieces[place]
            if piece.key == key and matching.parameters[place][piece.name].role == "shift"
        ]
        sets = itertools.combinations(biases, abs(surplus))
        choices.append([(place, blocks) for blocks in itertools.islice(sets, most)])
    if not choices:
        return
    for chosen in itertools.islice(itertools.product(*choices), most):
        lacked = [{one for at, blocks in chosen if at == place for one in blocks} for place in (0, 1)]
        what = "with biases that one side lacks"
        yield replace(matching.plan, what=what, lacked=(frozenset(lacked[0]), frozenset(lacked[1])))
