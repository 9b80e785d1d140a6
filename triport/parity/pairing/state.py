"""The state of matching two sides: what is seen how, what is matched, which values stand where."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .comparing import Class, Seen, apart, class_of, projected, sketching
from .pieces import Key, Piece, Plan, key_of, pieces_of, viewed
from .settings import Settings, differences
from .sides import Side
from .trained import layers_settings
from .values import GAIN, NEUTRAL, common_value, own_value

Progress = Callable[[str], None]


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


class Matching:
    """The state of matching two sides under one plan of cuts."""

    def __init__(self, a: Side, b: Side, plan: Plan, feed: Sequence[np.ndarray], progress: Progress) -> None:
        self.sides = (a, b)
        self.plan, self.feed, self.progress = plan, feed, progress
        self.is_double = a.is_double and b.is_double
        self.gain = GAIN
        # how far the outputs were apart at the start
        self.apart = np.inf
        self._draw = 0
        self.views = (plan.views_a, plan.views_b)
        # as the pieces see them
        self.parameters = tuple(
            viewed(side.parameters, views) for side, views in zip(self.sides, self.views, strict=True)
        )
        self.pieces = tuple(
            pieces_of(parameters, cuts, roles=True)
            for parameters, cuts in zip(self.parameters, (plan.a, plan.b), strict=True)
        )
        lone = self._folded_beside_unknown()
        self._forget_unknown_roles(lone)
        self.folded = self._folded() | {key_of(self.parameters[0][name].shape) for name in lone}
        self.matches: dict[Piece, Match] = {}
        self.taken: dict[Piece, Match] = {}
        self.choices: list[Choice] = []
        # parameters of modules that part, whose own gradients are not equal
        self.parting: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        # pieces of the first side with equal gradients, while they had one value
        self.alike: set[tuple[Piece, Piece]] = set()
        self.neutral = self._unbalanced()
        self._settings: tuple[dict[str, Settings], dict[str, Settings]] | None = None
        self._order: tuple[dict[str, int], dict[str, int]] | None = None
        self._alike = self._laid_out_alike()
        # the values of what is cut, which are set as a whole
        self._whole: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = ({}, {})
        # the size of the largest gradient so far: a later run tells of fewer
        self._largest = 0.0

    # --- what is compared with what ---

    def _folded_beside_unknown(self) -> frozenset[str]:
        """Return what is gone of BatchNorms that the second side has folded, beside parameters of no role.

        Each has three tensors fewer there, and what it adds is the bias of the layer that it was folded into.
        """
        counts = [Counter(piece.key for piece in side) for side in self.pieces]
        norms = [Counter(piece.key for piece in side if piece.role == "variance") for side in self.pieces]
        gone = {
            key
            for key, count in norms[0].items()
            if not norms[1][key] and counts[0][key] - counts[1][key] == 3 * count
        }
        parameters = self.parameters[0]
        owners = {parameters[piece.name].owner for piece in self.pieces[0] if piece.role == "variance"}
        return frozenset(
            piece.name
            for piece in self.pieces[0]
            if piece.key in gone
            and piece.role in ("scale", "mean", "variance")
            and parameters[piece.name].owner in owners
        )

    def _forget_unknown_roles(self, known: frozenset[str]) -> None:
        """Trust roles only among pieces of one size that all have one: a bare parameter may be anything.

        Args:
            known: names of the first side whose role is sure.
        """
        sizes = {piece.key for side in self.pieces for piece in side if piece.role is None}
        of_known = {(one.name, one.block) for one in self.pieces[0] if one.name in known}
        sure = (self.plan.lacked[0] | of_known, self.plan.lacked[1])
        self.pieces = tuple(
            [
                replace(one, role=None) if one.key in sizes and (one.name, one.block) not in blocks else one
                for one in side
            ]
            for side, blocks in zip(self.pieces, sure, strict=True)
        )

    def _counts(self) -> tuple[Counter[Class], Counter[Class]]:
        return Counter(map(class_of, self.pieces[0])), Counter(map(class_of, self.pieces[1]))

    def _folded(self) -> frozenset[Key]:
        """Return the sizes of which the first side has BatchNorms that the second may have folded.

        What such a norm adds stands against the bias of the layer that it was folded into: one role.
        """
        a, b = self._counts()
        found = frozenset(
            key
            for key, role in a
            if role == "variance"
            and a[key, role] > b[key, role]
            and a[key, "norm shift"] - b[key, "norm shift"] == a[key, role] - b[key, role]
        )
        self.pieces = tuple(
            [
                replace(one, role="shift") if one.key in found and one.role == "norm shift" else one
                for one in side
            ]
            for side in self.pieces
        )
        return found

    def _unbalanced(self) -> frozenset[Class]:
        """Return the classes of which one side has more, and which have a value that does nothing."""
        a, b = self._counts()
        plain = {one for one in {*a, *b} if a[one] != b[one] and one[1] in NEUTRAL}
        of_norms = {(key, role) for key in self.folded for role in ("shift", "scale", "mean", "variance")}
        return frozenset(plain | of_norms)

    def _laid_out_alike(self) -> frozenset[Key]:
        shapes = defaultdict(set)
        for side in self.pieces:
            for piece in side:
                shapes[piece.key].add(piece.shape)
        alike = (key for key, found in shapes.items() if len(key) > 2 and len(found) == 1)
        return frozenset() if self.plan.is_turned else frozenset(alike)

    # --- values ---

    def start(self) -> float:
        """Give every piece the value of its sizes, with smaller ones where those overflow.

        Returns:
            how far the outputs are apart then.
        """
        for gain in (self.gain, 0.7, 0.3):
            found = self.starts_apart(gain)
            if np.isfinite(found):
                break
        return found

    def starts_apart(self, gain: float) -> float:
        """Give every piece the value of its sizes, and return how far the outputs are apart then."""
        self.gain = gain
        self.give_common()
        self.apart = apart(*self._run())
        return self.apart

    def _run(self) -> list[list[np.ndarray]]:
        """Run both sides, note the order of calls, and return the outputs of both."""
        outputs: list[list[np.ndarray]] = [[], []]
        places: list[dict[str, int]] = [{}, {}]
        for at, side in self._in_order():
            outputs[at], called = side.called(self.feed)
            order = {path: place for place, path in enumerate(called)}
            places[at] = {n: order[one.owner] for n, one in side.parameters.items() if one.owner in order}
        self._order = places[0], places[1]
        return outputs

    def give_common(self) -> None:
        """Give every piece the value of its sizes."""
        for place, side in enumerate(self.pieces):
            made: dict[object, np.ndarray] = {}
            for piece in side:
                neutral = class_of(piece) in self.neutral
                about = (class_of(piece), piece.shape, piece.name if neutral else "")
                if about not in made:
                    made[about] = self._common(piece, place)
                if piece.cut.count == 1:
                    self.give(place, piece, made[about])
                else:
                    self._fill(place, piece, made[about])
            for name, whole in self._whole[place].items():
                self._set(place, name, whole)

    def give_all(self) -> None:
        """Give every match values of its own, and all else the value of its sizes."""
        self.give_common()
        for match in self.matches.values():
            self.set_own(match)

    def _common(self, piece: Piece, place: int) -> np.ndarray:
        if class_of(piece) in self.neutral:
            return np.full(piece.shape, self.neutral_value(piece, place))
        return common_value(piece, piece.key in self._alike, self.gain)

    def neutral_value(self, piece: Piece, place: int) -> float:
        """Return the value with which a piece does nothing."""
        epsilon = self.sides[place].parameters[piece.name].epsilon or 0.0
        return {"scale": 1.0, "variance": 1.0 - epsilon}.get(piece.role or "", 0.0)

    def give(self, place: int, piece: Piece, value: np.ndarray) -> None:
        """Set a piece's values on a side."""
        if piece.cut.count == 1:
            self._set(place, piece.name, value.reshape(self.parameters[place][piece.name].shape))
        else:
            self._set(place, piece.name, self._fill(place, piece, value))

    def _fill(self, place: int, piece: Piece, value: np.ndarray) -> np.ndarray:
        """Put a block into the values of what it is cut from, which are returned."""
        shape = self.parameters[place][piece.name].shape
        whole = self._whole[place].setdefault(piece.name, np.zeros(shape, np.float32))
        piece.of(whole)[...] = value
        return whole

    def _set(self, place: int, name: str, value: np.ndarray) -> None:
        """Set a parameter's values, which are given as the pieces see them."""
        for step in reversed(self.views[place].get(name, ())):
            (value,) = step.backward([value])
        self.sides[place].set_values({name: value})

    def own(self, match: Match, *, is_signed: bool = False) -> np.ndarray:
        """Return the values of a match, as the first side has them; with every other sign if asked for."""
        tag = f"{match.a.name} {match.a.block} {match.a.cut.count}" + f" {self._draw}" * bool(self._draw)
        value = own_value(match.a.shape, match.a.role, tag, self.gain)
        return value * (np.arange(value.size) % 2 * 2 - 1).reshape(value.shape) if is_signed else value

    def set_own(self, match: Match, *, is_signed: bool = False) -> None:
        """Give the two pieces of a match values that no other piece has."""
        value = self.own(match, is_signed=is_signed).astype(np.float32)
        self.give(0, match.a, value)
        self.give(1, match.b, np.transpose(value, match.order))

    def set_all_own(self, draw: int) -> None:
        """Give every match values of its own, which are others for each draw."""
        self._draw = draw
        for match in self.matches.values():
            self.set_own(match)

    # --- running ---

    def look(self, seed: int, everything: bool = False) -> Seen:
        """Run both sides forward and backward; the sketches of what is not matched, or of everything."""
        seen = Seen(everything, self.plan.is_turned, largest=self._largest)
        outputs: list[list[np.ndarray]] = [[], []]
        for place, _ in self._in_order():
            known = (self.matches, self.taken)[place]
            wanted = [piece for piece in self.pieces[place] if everything or piece not in known]
            outputs[place] = self._told(place, wanted, seen, seed)
        self._largest = seen.largest
        seen.apart = apart(*outputs)
        return seen

    def look_at(self, place: int, pieces: Sequence[Piece], seed: int) -> Seen:
        """Run one side forward and backward, and what it follows before it; the sketches of these pieces."""
        seen = Seen(largest=self._largest)
        for at, _ in self._in_order():
            if at == place or self.sides[place].follows:
                self._told(at, pieces if at == place else (), seen, seed)
        self._largest = seen.largest
        return seen

    def _told(self, place: int, wanted: Sequence[Piece], seen: Seen, seed: int) -> list[np.ndarray]:
        """Run a side, put the sketches of some of its pieces into `seen`, and return the outputs."""
        see = sketching(wanted, (seen.a, seen.b)[place], seen, self.views[place])
        names = {piece.name for piece in wanted}
        return self.sides[place].gradients(self.feed, lambda at, size: projected(at, size, seed), see, names)

    def outputs(self, feed: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Return the outputs of both sides."""
        outputs: list[list[np.ndarray]] = [[], []]
        for at, side in self._in_order():
            outputs[at] = side.outputs(feed)
        return outputs

    def _in_order(self) -> list[tuple[int, Side]]:
        """Return the sides with their places: one that is steered by the other runs after it."""
        return sorted(enumerate(self.sides), key=lambda one: one[1].follows)

    @property
    def is_complete(self) -> bool:
        """Whether every piece of both sides is matched."""
        return len(self.matches) == len(self.pieces[0]) and len(self.taken) == len(self.pieces[1])

    @property
    def is_settled(self) -> bool:
        """Whether every piece is matched, but for those that do nothing, of which one side has more."""
        known = self.matches, self.taken
        return bool(self.matches) and all(
            piece in of_side or class_of(piece) in self.neutral
            for side, of_side in zip(self.pieces, known, strict=True)
            for piece in side
        )

    def accept(self, match: Match) -> None:
        """Take a match, and give it values of its own."""
        self.matches[match.a] = self.taken[match.b] = match
        self.set_own(match)

    def drop(self, match: Match) -> None:
        """Take a match back."""
        del self.matches[match.a], self.taken[match.b]
        self.take_back(match)

    def take_back(self, match: Match) -> None:
        """Give the two pieces of a match the values of their sizes."""
        for place, piece in ((0, match.a), (1, match.b)):
            self.give(place, piece, self._common(piece, place))

    def suppose(self, matches: Sequence[Match]) -> None:
        """Take these matches and no others; no values are given."""
        self.matches = {match.a: match for match in matches}
        self.taken = {match.b: match for match in matches}

    def set_otherwise(self, a: Piece, b: Piece) -> int:
        """Return in how many settings the layers of two pieces differ, such as momentum or dilation."""
        first, second = (
            self._settings_of(place, one.name) for place, one in zip((0, 1), (a, b), strict=True)
        )
        return len([*differences(first, second)])

    def computes_otherwise(self, one: str, other: str) -> bool:
        """Whether layers of the first side are set otherwise of which these are, but for what is added last.

        The momentum of norms, which is only seen in training, is one of the settings.
        """
        if "shift" in (self.sides[0].parameters[one].role or ""):
            return False
        return bool([*differences(self._settings_of(0, one), self._settings_of(0, other))])

    def _settings_of(self, place: int, name: str) -> Settings:
        if self._settings is None:
            self._settings = layers_settings(self.sides[0]), layers_settings(self.sides[1])
        return self._settings[place].get(self.sides[place].parameters[name].owner, {})

    def places(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return, by name, where a parameter's module stands in the order of calls."""
        if self._order is None:
            self._run()
        assert self._order is not None
        return self._order
