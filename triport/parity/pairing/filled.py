"""Blocks of packed tensors that the other side lacks, and that do nothing: zeros for the key's bias."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from triport.converters.naming.constant_steps import Insert, Remove
from triport.converters.naming.pair_names import PairRow
from triport.converters.naming.step import Step

from .comparing import class_of
from .pieces import WHOLE, Parameters, Piece
from .sides import SideParameter
from .state import Match, Matching
from .values import NEUTRAL


@dataclass(frozen=True, slots=True)
class Filled:
    """Matches in which each block has a counterpart, if only one that there is not.

    `parameters` know what there is not, too; `lacked` are the steps that put it in and take it out, by name.
    """

    matches: Sequence[Match]
    parameters: tuple[Parameters, Parameters]
    lacked: Mapping[str, tuple[str, tuple[int, ...]]]
    constants: Mapping[Piece, float]

    def named(self, row: PairRow) -> PairRow:
        """Return a row without what there is not: it is put in before all steps, or taken out after them."""
        first: list[Step] = [
            Insert(place, *self.lacked[name]) for place, name in enumerate(row.a) if name in self.lacked
        ]
        last: list[Step] = [
            Remove(place, *self.lacked[name])
            for place, name in reversed(list(enumerate(row.b)))
            if name in self.lacked
        ]
        a, b = (tuple(name for name in names if name not in self.lacked) for names in (row.a, row.b))
        return replace(row, a=a, b=b, steps=(*first, *row.steps, *last))


def with_lacked(group: Sequence[Match], matching: Matching) -> Filled | None:
    """Return the matches of a group and what its parameters lack; None where that is no constant."""
    matches = list(group)
    parameters = [dict(of_side) for of_side in matching.parameters]
    lacked: dict[str, tuple[str, tuple[int, ...]]] = {}
    constants: dict[Piece, float] = {}
    known = {piece for match in group for piece in (match.a, match.b)}
    for place, side in enumerate("ab"):
        names = {getattr(match, side).name for match in group}
        for piece in matching.pieces[place]:
            if piece.name not in names or piece in known:
                continue
            kind = NEUTRAL.get(piece.role or "")
            is_viewed = piece.name in matching.views[place]
            if kind is None or is_viewed or class_of(piece) not in matching.neutral:
                return None
            other = Piece(f"the {kind} of {piece.name}, {piece.block}", 0, WHOLE, piece.shape)
            parameters[1 - place][other.name] = SideParameter(other.name, piece.shape, "")
            lacked[other.name] = kind, piece.shape
            pair = (piece, other) if not place else (other, piece)
            matches.append(Match(*pair, group[0].order, group[0].reason))
            if not place:
                constants[piece] = float(kind == "ones")
    for side in "ab":
        for name in {getattr(match, side).name for match in matches}:
            if count_of(matches, name, side) != sum(getattr(match, side).name == name for match in matches):
                return None
    return Filled(matches, (parameters[0], parameters[1]), lacked, constants)


def lacked_parts(rows: Iterable[PairRow]) -> list[str]:
    """Return a sentence for each row in which only a part of a tensor has no counterpart."""
    return [
        f"the other side lacks a part of it: {step.kind}: {(row.b if isinstance(step, Insert) else row.a)[0]}"
        for row in rows
        for step in row.steps
        if isinstance(step, Insert | Remove)
    ]


def count_of(group: Sequence[Match], name: str, side: str) -> int:
    """Return into how many blocks a parameter of a side is cut."""
    return next(piece.cut.count for match in group if (piece := getattr(match, side)).name == name)
