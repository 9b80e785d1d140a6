"""Rules that say which pieces belong together; the plainest first, and each with its reason.

Each is given the state and what the last run told, and returns matches. `matching.py` asks them in turn.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from triport.converters.naming.steps import Reshape

from .comparing import ROUNDED, SAME_OUTPUTS, Class, Seen, class_of, compared
from .pieces import Parameters, Piece
from .sides import SideParameter
from .sketches import distances
from .state import Choice, Match, Matching
from .values import transpositions
from .withstood import apart_with

_Layer = tuple[str, int, int]

# how near the nearest must be, of what it could be at all
_NEAR = 0.5
# how much nearer another must be for a match to be wrong
_WRONG = 1.5
# what roundings alone make of equal outputs, in float64 and in float32, and how many twins are tried
_ROUNDED_OUTPUTS = {True: 1e-12, False: 2e-5}
_MOST_TWINS = 8


def _classes(matching: Matching, seen: Seen) -> Iterable[tuple[list[Piece], list[Piece]]]:
    classes: dict[Class, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
    for place, found in enumerate((seen.a, seen.b)):
        for piece in found:
            if piece not in (matching.matches, matching.taken)[place] and np.any(found[piece]):
                classes[class_of(piece)][place].append(piece)
    return [both for both in classes.values() if both[0] and both[1]]


def nearest(matching: Matching, seen: Seen, margin: float) -> list[Match]:
    """Return the pairs of which each is the other's nearest, with a margin."""
    fresh = []
    rounded = ROUNDED[matching.is_double]
    for a, b in _classes(matching, seen):
        apart, orders = compared(seen, a, b)
        if seen.apart <= SAME_OUTPUTS[matching.is_double]:
            _remember(matching, a, apart)
        for row, piece in enumerate(a):
            column = int(apart[row].argmin())
            best = apart[row, column]
            if apart[:, column].argmin() != row or best > _NEAR:
                continue
            others = min(
                np.delete(apart[row], column).min(initial=1),
                np.delete(apart[:, column], row).min(initial=1),
            )
            if others > margin * max(best, rounded):
                fresh.append(Match(piece, b[column], orders[row][column], "gradient"))
    return fresh


def remember_alike(matching: Matching, seen: Seen) -> None:
    """Remember which pieces of the first side are alike in a run with equal outputs."""
    for a, b in _classes(matching, seen):
        _remember(matching, a, compared(seen, a, b)[0])


def _remember(matching: Matching, a: Sequence[Piece], apart: np.ndarray) -> None:
    """Remember which pieces of the first side are alike: they are equal to one of the second side."""
    near = apart <= 10 * ROUNDED[matching.is_double]
    for column in np.flatnonzero(near.sum(0) > 1):
        rows = np.flatnonzero(near[:, column])
        matching.alike |= {(a[one], a[other]) for one, other in itertools.pairwise(rows)}


def one_twin(matching: Matching, seen: Seen) -> list[Match]:
    """Return one pair of twins, whose gradients are equal, as a choice; the next round tells the rest.

    Of those that do equally well it is one that lies beside what is matched, and is set alike: it may compute
    otherwise on other inputs, or in training.
    """
    rounded = 10 * ROUNDED[matching.is_double]
    for a, b in _classes(matching, seen):
        apart, orders = compared(seen, a, b)
        for row, piece in enumerate(a):
            near = np.flatnonzero(apart[row] <= rounded)
            if len(near) > 1:
                likely = sorted(
                    map(int, near),
                    key=lambda one: (
                        _is_elsewhere(matching, piece, b[one]),
                        matching.set_otherwise(piece, b[one]),
                    ),
                )
                twins = [Match(piece, b[one], orders[row][one], "any of its twins") for one in likely]
                match = _withstanding(matching, twins)
                column = b.index(match.b)
                others = tuple(b[place] for place in near if place != column)
                matching.choices.append(Choice(tuple(matching.matches.values()), match, others))
                return [match]
        if class_of(a[0]) in matching.neutral:
            for column, piece in enumerate(b):
                near = np.flatnonzero(apart[:, column] <= rounded)
                if len(near) > 1:
                    row = min(map(int, near), key=lambda one: _is_elsewhere(matching, a[one], piece))
                    return [Match(a[row], piece, orders[row][column], "any of its twins, the others zero")]
    return []


def _withstanding(matching: Matching, twins: Sequence[Match]) -> Match:
    """Return the first of several matches of a piece with which outputs are as equal as with any."""
    rounded = _ROUNDED_OUTPUTS[matching.is_double]
    best, least = twins[0], np.inf
    for match in twins[:_MOST_TWINS]:
        worst = max(apart_with(matching, [match], match))
        matching.take_back(match)
        if worst < least:
            best, least = match, worst
        if worst <= rounded:
            break
    return best


def _is_elsewhere(matching: Matching, piece: Piece, other: Piece) -> bool:
    """Whether no other block of a piece's matrix, or vector, is matched with one of the other piece's."""
    sheets = _sheet(matching, 0, piece), _sheet(matching, 1, other)
    return all(
        (_sheet(matching, 0, match.a), _sheet(matching, 1, match.b)) != sheets
        for match in matching.matches.values()
    )


def _sheet(matching: Matching, place: int, piece: Piece) -> tuple[str, int]:
    """Return the parameter that a piece is of, and which matrix or vector if it is a stack of several."""
    steps = matching.views[place].get(piece.name, ())
    stacks = [one.before[0] for one in steps if isinstance(one, Reshape) and len(one.before) > len(one.after)]
    return piece.name, piece.block * math.prod(stacks) // piece.cut.count


def norm_before_bias(matching: Matching, seen: Seen) -> list[Match]:
    """Return what a folded norm adds, where the bias of the layer before it has the same gradient.

    A norm that does nothing makes the two one sum; what is folded keeps one bias, and that is the norm's.
    """
    rounded = 10 * ROUNDED[matching.is_double]
    parameters = matching.sides[0].parameters
    fresh = []
    for a, b in _classes(matching, seen):
        if class_of(a[0])[0] not in matching.folded:
            continue
        apart, orders = compared(seen, a, b)
        for column, piece in enumerate(b):
            near = np.flatnonzero(apart[:, column] <= rounded)
            of_norms = [row for row in near if parameters[a[row].name].role == "norm shift"]
            if len(of_norms) == 1 and (apart[of_norms[0]] <= rounded).sum() == 1:
                row = of_norms[0]
                fresh.append(Match(a[row], piece, orders[row][column], "gradient"))
    return fresh


def beside(matching: Matching, seen: Seen, is_same: bool) -> list[Match]:
    """Return what is left of layers whose other parameters are matched, leaf for leaf and block for block."""
    sides = [side.parameters for side in matching.sides]
    layers: dict[_Layer, set[_Layer]] = defaultdict(set)
    for match in matching.matches.values():
        if sides[0][match.a.name].leaf is not None and sides[1][match.b.name].leaf is not None:
            layers[_layer(sides[0], match.a)].add(_layer(sides[1], match.b))
    theirs: dict[tuple[_Layer, str, tuple[int, ...]], list[Piece]] = defaultdict(list)
    for piece in matching.pieces[1]:
        one = sides[1][piece.name]
        if piece not in matching.taken and one.leaf is not None:
            theirs[_layer(sides[1], piece), _leaf(one), piece.shape].append(piece)
    fresh = []
    for piece in matching.pieces[0]:
        one = sides[0][piece.name]
        counterparts = layers[_layer(sides[0], piece)]
        if piece in matching.matches or one.leaf is None or len(counterparts) != 1:
            continue
        found = theirs[next(iter(counterparts)), _leaf(one), piece.shape]
        if len(found) == 1 and (not is_same or agree(matching, seen, piece, found[0])):
            fresh.append(Match(piece, found[0], tuple(range(len(piece.shape))), "the rest of its layer"))
    return fresh


def with_its_weight(matching: Matching, seen: Seen) -> list[Match]:
    """Return vectors without a gradient that stand beside a matched block of the weight of their layer.

    A key's bias is such a vector: a softmax does not see it. It may be a block of a packed tensor, as the
    weight is, or a tensor of its own.
    """
    blocks = [_beside_weights(matching, place) for place in (0, 1)]
    fresh: dict[tuple[Piece, Piece], Match] = {}  # a layer with several weights may say it several times
    for match in matching.matches.values():
        found = (
            blocks[0].get(_layer(matching.sides[0].parameters, match.a), []),
            blocks[1].get(_layer(matching.sides[1].parameters, match.b), []),
        )
        if len(match.a.shape) > 1 and len(found[0]) == len(found[1]) == 1:
            a, b = found[0][0], found[1][0]
            if a.shape == b.shape and agree(matching, seen, a, b):
                fresh[a, b] = Match(a, b, (0,), "the weight that it is added to")
    return list(fresh.values())


def _beside_weights(matching: Matching, place: int) -> dict[_Layer, list[Piece]]:
    """Return the vectors of a side that are not matched, by the layer and the block that they belong to."""
    found: dict[_Layer, list[Piece]] = defaultdict(list)
    for piece in matching.pieces[place]:
        if len(piece.shape) == 1 and piece not in (matching.matches, matching.taken)[place]:
            found[_layer(matching.sides[place].parameters, piece)].append(piece)
    return found


def _layer(parameters: Parameters, piece: Piece) -> _Layer:
    """Return the module that owns a piece, and which of how many blocks of its parameters it is."""
    return parameters[piece.name].owner, piece.block, piece.cut.count


def in_place(matching: Matching) -> list[Match]:
    """Return pieces between whose neighbours, in the order of calls, just one of their sizes is left.

    The neighbours are matched, and nothing else tells more: graphs that differ have gradients that do. What
    is found so is believed only if the proof by substitution, or equal outputs, bear it out.
    """
    return _in_place(matching, of_layers=False) or _in_place(matching, of_layers=True)


def _in_place(matching: Matching, of_layers: bool) -> list[Match]:
    """Return what is in place; `of_layers` is whether pieces are told apart by what they are in known layers.

    The neighbours are known layers then: what else owns parameters is called before it computes with them.
    """
    sides = [side.parameters for side in matching.sides]
    places = matching.places()
    anchors = sorted(
        (places[0][match.a.name], places[1][match.b.name])
        for match in matching.matches.values()
        if match.a.name in places[0] and match.b.name in places[1]
        if not of_layers or None not in (sides[0][match.a.name].leaf, sides[1][match.b.name].leaf)
    )
    classes: dict[tuple[object, ...], tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
    for place, side in enumerate(matching.pieces):
        ends = sorted({pair[place] for pair in anchors})
        for piece in side:
            if piece in (matching.matches, matching.taken)[place] or piece.name not in places[place]:
                continue
            one = sides[place][piece.name]
            known = _leaf(one) if of_layers and one.leaf is not None else None
            at = bisect.bisect_right(ends, places[place][piece.name])
            before = [pair for pair in anchors if pair[place] == ends[at - 1]][-1] if at else (-1, -1)
            classes[class_of(piece), known, before][place].append(piece)
    return [
        Match(a[0], b[0], tuple(range(len(a[0].shape))), "its place between its neighbours")
        for a, b in classes.values()
        if len(a) == len(b) == 1 and a[0].shape == b[0].shape
    ]


def agree(matching: Matching, seen: Seen, a: Piece, b: Piece) -> bool:
    """Return whether two pieces have equal gradients or none; those of modules that part need not."""
    if a.name in matching.parting[0] and b.name in matching.parting[1]:
        return True
    known = [one for one in (seen.a.get(a), seen.b.get(b)) if one is not None]
    most = 10 * ROUNDED[matching.is_double]
    if all(float(np.linalg.norm(one)) <= most * seen.largest for one in known):
        return True
    return len(known) == 2 and bool(distances(known[:1], known[1:])[0, 0] <= most)


def only_ones(matching: Matching, seen: Seen, is_same: bool) -> list[Match]:
    """Return what is the only one left of its sizes on either side; equal outputs must not contradict."""
    classes: dict[Class, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
    for place, side in enumerate(matching.pieces):
        for piece in side:
            if piece not in (matching.matches, matching.taken)[place]:
                classes[class_of(piece)][place].append(piece)
    fresh = []
    for a, b in classes.values():
        names = {piece.name: piece for piece in b}
        pairs = [(a[0], b[0])] if len(a) == len(b) == 1 else []
        pairs = pairs or [(one, names[one.name]) for one in a if one.name in names and is_same]
        for one, other in pairs:
            orders = transpositions(one.shape, other.shape, seen.is_turned)
            if orders and (not is_same or agree(matching, seen, one, other)):
                reason = "the only one left of its shape" if len(a) == 1 else "its name"
                fresh.append(Match(one, other, orders[0], reason))
    return fresh


def not_nearest(matching: Matching, seen: Seen) -> list[Match]:
    """Return matches of which one piece is much nearer to another's than to its own."""
    wrong: dict[Match, None] = {}
    classes: dict[Class, list[Match]] = defaultdict(list)
    for match in matching.matches.values():
        if match.a in seen.a and match.b in seen.b and match.a.name not in matching.parting[0]:
            classes[class_of(match.a)].append(match)
    for matches in classes.values():
        apart, _ = compared(seen, [match.a for match in matches], [match.b for match in matches])
        for place, match in enumerate(matches):
            nearest_one = min(apart[place].min(), apart[:, place].min())
            if apart[place, place] > _WRONG * nearest_one:
                wrong[match] = None
    return list(wrong)


def _leaf(parameter: SideParameter) -> str:
    """Return what a parameter is in its layer: torch's name of the leaf, with the layer's number in it."""
    assert parameter.leaf is not None
    return parameter.leaf.name + parameter.name.rpartition(".")[2].partition("_l")[2]
