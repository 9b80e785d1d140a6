"""Which piece of one side is which of the other: by their gradients, in rounds.

In each round both networks run forward and backward once, on one input. What is not matched yet has the value
of its sizes; what is matched has values of its own, the same on both sides, so that from round to round fewer
pieces look alike. Two pieces belong together where each is the other's nearest by gradient, and the next
one is clearly further away. Twins, whose gradients are equal, are told apart by giving one pair of them
values of its own.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .pieces import Key, Piece, Plan, pieces_named, pieces_of
from .sides import See, Side, SideParameter
from .sketches import distances, sketch
from .values import GAIN, common_value, own_value, transpositions

Progress = Callable[[str], None]
Class = tuple[Key, str | None]

# how much nearer the nearest must be than the next, and than what it could be at all
_MARGIN, _WEAK_MARGIN, _NEAR = 3.0, 1.6, 0.5
# what roundings alone make of equal gradients and of equal outputs, in float64 and in float32
ROUNDED = {True: 1e-7, False: 1e-4}
SAME_OUTPUTS = {True: 1e-9, False: 5e-4}
_MOST_ROUNDS = 400


@dataclass(frozen=True, slots=True)
class Match:
    """A piece of `a` and the one of `b` that holds the same numbers, with its axes in this order."""

    a: Piece
    b: Piece
    order: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A match that was chosen among twins: `others` are the pieces of `b` that would have done as well."""

    before: tuple[Match, ...]
    match: Match
    others: tuple[Piece, ...]


@dataclass(slots=True)
class Seen:
    """What a run of both sides told: the sketches of pieces, and how far the outputs are apart."""

    a: dict[Piece, np.ndarray] = field(default_factory=dict)
    b: dict[Piece, np.ndarray] = field(default_factory=dict)
    apart: float = np.inf
    # the size of the largest gradient of any parameter
    largest: float = 0.0


class Matching:
    """The state of matching two sides under one plan of cuts."""

    def __init__(self, a: Side, b: Side, plan: Plan, feed: Sequence[np.ndarray], progress: Progress) -> None:
        self.sides = (a, b)
        self.plan, self.feed, self.progress = plan, feed, progress
        self.is_double = a.is_double and b.is_double
        self.gain = GAIN
        self.pieces = tuple(
            pieces_of(side.parameters, cuts, roles=True) for side, cuts in ((a, plan.a), (b, plan.b))
        )
        self._forget_unknown_roles()
        self.matches: dict[Piece, Match] = {}
        self.taken: dict[Piece, Match] = {}
        self.choices: list[Choice] = []
        # pieces of the first side with equal gradients, while they had one value
        self.alike: set[tuple[Piece, Piece]] = set()
        self.neutral = self._unbalanced()
        self._alike = self._laid_out_alike()
        # the values of what is cut, which are set as a whole
        self._whole: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})

    # --- what is compared with what ---

    def _forget_unknown_roles(self) -> None:
        """Trust roles only among pieces of one size that all have one: a bare parameter may be anything."""
        sizes = {piece.key for side in self.pieces for piece in side if piece.role is None}
        self.pieces = tuple(
            [
                Piece(one.name, one.block, one.cut, one.shape) if one.key in sizes and one.role else one
                for one in side
            ]
            for side in self.pieces
        )

    def _unbalanced(self) -> dict[Class, str]:
        """Return the classes of which one side has more, and which have a value that does nothing."""
        counts = [defaultdict[Class, int](int), defaultdict[Class, int](int)]
        for count, side in zip(counts, self.pieces, strict=True):
            for piece in side:
                count[class_of(piece)] += 1
        return {
            one: "zero"
            for one in {*counts[0], *counts[1]}
            if counts[0][one] != counts[1][one] and one[1] in ("shift", "norm shift")
        }

    def _laid_out_alike(self) -> frozenset[Key]:
        shapes = defaultdict(set)
        for side in self.pieces:
            for piece in side:
                shapes[piece.key].add(piece.shape)
        return frozenset(key for key, found in shapes.items() if len(key) > 2 and len(found) == 1)

    # --- values ---

    def start(self) -> Seen:
        """Give every piece the value of its sizes, and run; with smaller values where those overflow."""
        for gain in (self.gain, 0.7, 0.3):
            self.gain = gain
            for place, side in enumerate(self.pieces):
                made: dict[Class | tuple[Class, object], np.ndarray] = {}
                for piece in side:
                    about = (class_of(piece), piece.shape)
                    if about not in made:
                        made[about] = self._common(piece)
                    self.give(place, piece, made[about])
            seen = self.look(0)
            if np.isfinite(seen.apart):
                return seen
        return seen

    def _common(self, piece: Piece) -> np.ndarray:
        neutral = self.neutral.get(class_of(piece))
        if neutral is not None:
            return np.full(piece.shape, 0.0 if neutral == "zero" else 1.0, np.float32)
        return common_value(piece, piece.key in self._alike, self.gain)

    def give(self, place: int, piece: Piece, value: np.ndarray) -> None:
        """Set a piece's values on a side."""
        side = self.sides[place]
        shape = side.parameters[piece.name].shape
        if piece.cut.count == 1:
            side.set_values({piece.name: value.reshape(shape)})
            return
        whole = self._whole[place].setdefault(piece.name, np.zeros(shape, np.float32))
        piece.of(whole)[...] = value
        # once, with its last block, while everything is set
        side.set_values({piece.name: whole})

    def own(self, match: Match) -> np.ndarray:
        """Return the values of a match, as the first side has them."""
        tag = f"{match.a.name} {match.a.block} {match.a.cut.count}"
        return own_value(match.a.shape, match.a.role, tag, self.gain)

    def set_own(self, match: Match) -> None:
        """Give the two pieces of a match values that no other piece has."""
        value = self.own(match)
        self.give(0, match.a, value)
        self.give(1, match.b, np.transpose(value, match.order))

    # --- running ---

    def look(self, seed: int, everything: bool = False) -> Seen:
        """Run both sides forward and backward; the sketches of what is not matched, or of everything."""
        seen = Seen()
        outputs = []
        for place, side in enumerate(self.sides):
            found = seen.a if place == 0 else seen.b
            known = (self.matches, self.taken)[place]
            wanted = [piece for piece in self.pieces[place] if everything or piece not in known]
            see = _sketching(wanted, found, seen)
            outputs.append(side.gradients(self.feed, lambda at, size: projected(at, size, seed), see))
        seen.apart = apart(*outputs)
        return seen

    def rounds(self, seen: Seen) -> Seen:
        """Match until nothing more can be told; return what the last run showed."""
        for number in range(_MOST_ROUNDS):
            is_same = seen.apart <= SAME_OUTPUTS[self.is_double]
            fresh = self._nearest(seen, _MARGIN)
            if not fresh:
                fresh = self._beside(seen, is_same)
            if not fresh and is_same:
                fresh = self._one_twin(seen)
            if not fresh:
                fresh = self._only_ones(seen, is_same)
            if not fresh and not is_same:
                fresh = self._nearest(seen, _WEAK_MARGIN)
            for match in fresh:
                self.accept(match)
            left = len(self.pieces[0]) - len(self.matches)
            self.progress(f"round {number + 1}: {len(self.matches)} matched, {left} left")
            if not fresh:
                break
            seen = self.look(number + 1)
        return seen

    def accept(self, match: Match) -> None:
        """Take a match, and give it values of its own."""
        self.matches[match.a] = self.taken[match.b] = match
        self.set_own(match)

    def drop(self, match: Match) -> None:
        """Take a match back."""
        del self.matches[match.a], self.taken[match.b]
        for place, piece in ((0, match.a), (1, match.b)):
            self.give(place, piece, self._common(piece))

    # --- deciding ---

    def _classes(self, seen: Seen) -> Iterable[tuple[list[Piece], list[Piece]]]:
        classes: dict[Class, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
        for place, found in enumerate((seen.a, seen.b)):
            for piece in found:
                if piece not in (self.matches, self.taken)[place] and np.any(found[piece]):
                    classes[class_of(piece)][place].append(piece)
        return [both for both in classes.values() if both[0] and both[1]]

    def _nearest(self, seen: Seen, margin: float) -> list[Match]:
        """Return the pairs of which each is the other's nearest, with a margin."""
        fresh = []
        rounded = ROUNDED[self.is_double]
        for a, b in self._classes(seen):
            apart, orders = compared(seen, a, b)
            if seen.apart <= SAME_OUTPUTS[self.is_double]:
                self._remember(a, apart)
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

    def _remember(self, a: Sequence[Piece], apart: np.ndarray) -> None:
        """Remember which pieces of the first side are alike: they are equal to one of the second side."""
        near = apart <= 10 * ROUNDED[self.is_double]
        for column in np.flatnonzero(near.sum(0) > 1):
            rows = np.flatnonzero(near[:, column])
            self.alike |= {(a[one], a[other]) for one, other in itertools.pairwise(rows)}

    def _one_twin(self, seen: Seen) -> list[Match]:
        """Return one pair of twins, whose gradients are equal, as a choice; the next round tells the rest."""
        rounded = 10 * ROUNDED[self.is_double]
        for a, b in self._classes(seen):
            apart, orders = compared(seen, a, b)
            for row, piece in enumerate(a):
                near = np.flatnonzero(apart[row] <= rounded)
                if len(near) > 1:
                    column = int(near[0])
                    match = Match(piece, b[column], orders[row][column], "any of its twins")
                    others = tuple(b[place] for place in near[1:])
                    self.choices.append(Choice(tuple(self.matches.values()), match, others))
                    return [match]
        return []

    def _beside(self, seen: Seen, is_same: bool) -> list[Match]:
        """Return what is left of layers whose other parameters are matched, leaf for leaf."""
        owners: dict[str, set[str]] = defaultdict(set)
        for match in self.matches.values():
            a, b = (
                side.parameters[one.name] for side, one in zip(self.sides, (match.a, match.b), strict=True)
            )
            if a.leaf is not None and b.leaf is not None:
                owners[a.owner].add(b.owner)
        theirs: dict[tuple[str, str, int, tuple[int, ...]], list[Piece]] = defaultdict(list)
        for piece in self.pieces[1]:
            b = self.sides[1].parameters[piece.name]
            if piece not in self.taken and b.leaf is not None:
                theirs[b.owner, _leaf(b), piece.block, piece.shape].append(piece)
        fresh = []
        for piece in self.pieces[0]:
            a = self.sides[0].parameters[piece.name]
            if piece in self.matches or a.leaf is None or len(owners[a.owner]) != 1:
                continue
            found = theirs[next(iter(owners[a.owner])), _leaf(a), piece.block, piece.shape]
            if len(found) == 1 and (not is_same or self._agree(seen, piece, found[0])):
                fresh.append(Match(piece, found[0], tuple(range(len(piece.shape))), "the rest of its layer"))
        return fresh

    def _agree(self, seen: Seen, a: Piece, b: Piece) -> bool:
        """Return whether two pieces have equal gradients, or none."""
        known = [one for one in (seen.a.get(a), seen.b.get(b)) if one is not None]
        most = 10 * ROUNDED[self.is_double]
        if all(float(np.linalg.norm(one)) <= most * seen.largest for one in known):
            return True
        return len(known) == 2 and bool(distances(known[:1], known[1:])[0, 0] <= most)

    def _only_ones(self, seen: Seen, is_same: bool) -> list[Match]:
        """Return what is the only one left of its sizes on either side; equal outputs must not contradict."""
        classes: dict[Class, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
        for place, side in enumerate(self.pieces):
            for piece in side:
                if piece not in (self.matches, self.taken)[place]:
                    classes[class_of(piece)][place].append(piece)
        fresh = []
        for a, b in classes.values():
            names = {piece.name: piece for piece in b}
            pairs = [(a[0], b[0])] if len(a) == len(b) == 1 else []
            pairs = pairs or [(one, names[one.name]) for one in a if one.name in names and is_same]
            for one, other in pairs:
                orders = transpositions(one.shape, other.shape)
                if orders and (not is_same or self._agree(seen, one, other)):
                    reason = "the only one left of its shape" if len(a) == 1 else "its name"
                    fresh.append(Match(one, other, orders[0], reason))
        return fresh


def _leaf(parameter: SideParameter) -> str:
    """Return what a parameter is in its layer: torch's name of the leaf, with the layer's number in it."""
    assert parameter.leaf is not None
    return parameter.leaf.name + parameter.name.rpartition(".")[2].partition("_l")[2]


def _sketching(pieces: Iterable[Piece], found: dict[Piece, np.ndarray], seen: Seen) -> See:
    """Return what puts the sketches of these pieces of each gradient into `found`."""
    by_name = pieces_named(pieces)

    def see(name: str, gradient: np.ndarray | None) -> None:
        if gradient is not None:
            seen.largest = max(seen.largest, float(np.linalg.norm(gradient)))
            for piece in by_name.get(name, ()):
                found[piece] = sketch(piece.of(gradient))

    return see


def class_of(piece: Piece) -> Class:
    """Return what a piece can be matched with: the same sizes in the same role."""
    return piece.key, piece.role


def compared(
    seen: Seen, a: Sequence[Piece], b: Sequence[Piece]
) -> tuple[np.ndarray, list[list[tuple[int, ...]]]]:
    """Return the distances of pieces by their gradients, and the order of axes in which each is nearest."""
    found = np.ones((len(a), len(b)))
    orders: list[list[tuple[int, ...]]] = [[tuple(range(len(piece.shape)))] * len(b) for piece in a]
    rows, columns = (_by_shape(side) for side in (a, b))
    for shape_a, places_a in rows.items():
        for shape_b, places_b in columns.items():
            for order in transpositions(shape_a, shape_b):
                apart = distances(
                    [np.transpose(seen.a[a[place]], order) for place in places_a],
                    [seen.b[b[place]] for place in places_b],
                )
                for i, row in enumerate(places_a):
                    for j, column in enumerate(places_b):
                        if apart[i, j] < found[row, column]:
                            found[row, column] = apart[i, j]
                            orders[row][column] = order
    return found, orders


def _by_shape(pieces: Sequence[Piece]) -> dict[tuple[int, ...], list[int]]:
    found = defaultdict(list)
    for place, piece in enumerate(pieces):
        found[piece.shape].append(place)
    return found


def projected(place: int, size: int, seed: int) -> np.ndarray:
    """Return what the elements of an output count in the sum that is derived."""
    return np.random.default_rng([seed, place, size]).standard_normal(size)


def apart(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Return the largest difference of outputs, relative to the largest value; infinite if there is none."""
    if len(a) != len(b):
        return np.inf
    worst = 0.0
    for one, other in zip(a, b, strict=True):
        if one.size != other.size or not (np.isfinite(one).all() and np.isfinite(other).all()):
            return np.inf
        largest = np.abs(one).max(initial=0.0)
        difference = np.abs(one.reshape(-1) - other.reshape(-1)).max(initial=0.0)
        worst = max(worst, float(difference / largest) if largest > 0 else np.inf)
    return worst
