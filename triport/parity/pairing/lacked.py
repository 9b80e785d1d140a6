"""Biases that one side lacks, among vectors of which nobody knows what they do.

Where each vector of a size has a role, counts say that one side has more biases, and all of them are zeros
while the rest is matched. Beside a norm that is written out no role is believed; then it is tried which
biases have to be zeros for the outputs to be equal.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from .pieces import Block, Key, Piece, Plan
from .plans import SMALL
from .state import Matching

# a try is a run of both networks
_MOST_TRIES, _MOST_OF_LARGE = 48, 6


def plans_without_biases(matching: Matching) -> Iterator[Plan]:
    """Yield the plan of a matching with biases that are taken for lacking on the other side."""
    of_layers = plan_of_layers(matching)
    if of_layers is not None:
        yield of_layers
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


def plan_of_layers(matching: Matching) -> Plan | None:
    """Return the plan of a matching without the biases that a layer has, and its counterpart lacks.

    Which layer is which is guessed, by the order of calls. None where no layer lacks anything.
    """
    biases: tuple[dict[str, list[Block]], ...] = (defaultdict(list), defaultdict(list))
    for place, pieces in enumerate(matching.pieces):
        for piece in pieces:
            one = matching.parameters[place][piece.name]
            if one.role == "shift" and one.leaf is not None:
                biases[place][one.owner].append((piece.name, piece.block))
    lacked: tuple[set[Block], set[Block]] = (set(), set())
    for owners in _layers_in_order(matching):
        of_layer = [biases[place].get(owner, []) for place, owner in enumerate(owners)]
        if not all(of_layer):
            for place, blocks in enumerate(of_layer):
                lacked[place].update(blocks)
    if not any(lacked):
        return None
    what = "with biases that layers lack"
    return replace(matching.plan, what=what, lacked=(frozenset(lacked[0]), frozenset(lacked[1])))


def _layers_in_order(matching: Matching) -> Iterator[tuple[str, str]]:
    """Yield the paths of layers of both sides whose weights have one size, in the order of calls."""
    called = matching.places()
    weights: dict[Key, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
    for place, pieces in enumerate(matching.pieces):
        for piece in pieces:
            if len(piece.key) > 1 and matching.parameters[place][piece.name].leaf is not None:
                weights[piece.key][place].append(piece)
    for sides in weights.values():
        if len(sides[0]) == len(sides[1]):
            ordered = [_by_calls(side, order) for side, order in zip(sides, called, strict=True)]
            for one, other in zip(*ordered, strict=True):
                yield matching.parameters[0][one.name].owner, matching.parameters[1][other.name].owner


def _by_calls(pieces: list[Piece], called: Mapping[str, int]) -> list[Piece]:
    return sorted(pieces, key=lambda one: (called.get(one.name, -1), one.block))
