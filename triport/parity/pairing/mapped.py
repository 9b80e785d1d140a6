"""The map that matches make, with what only one side has, and the values that fit it."""

from __future__ import annotations

from dataclasses import dataclass

from triport.converters.naming.pair_names import PairNames, PairRow

from .comparing import class_of
from .divided_weights import Divided, with_parts
from .filled import lacked_parts
from .folded_norms import folded_rows, join_to_layers
from .one_sided import OneSided
from .pieces import Piece, pieces_named
from .proof import Draw
from .rows import left_of, rows_of, with_aliases, without_counterpart
from .sides import Side
from .state import Matching
from .ties import Ties, tied_rows
from .values import NEUTRAL


@dataclass(frozen=True, slots=True)
class Mapped:
    """A map; `constants` are the values that some of the first side must have for it, by name."""

    names: PairNames
    constants: dict[Piece, float]
    ties: Ties
    parts: OneSided
    divided: Divided
    notes: tuple[str, ...]

    @property
    def moves(self) -> list[object]:
        """What is moved where, whatever it was derived from."""
        return [self.constants, *sorted((row.a, row.b, str(row.steps)) for row in self.names.rows)]

    def draw(
        self,
        a: Side,
        seed: int,
        *,
        is_wide: bool = False,
        is_calm: bool = False,
        signed: frozenset[str] = frozenset(),
    ) -> Draw:
        """Return seeded values that fit it."""
        how = {"is_wide": is_wide, "is_calm": is_calm}
        return Draw(a, self.names, self.constants, self.ties, seed, **how, signed=signed)


def mapped_by(
    matching: Matching, ties: tuple[Ties, Ties], parts: OneSided, divided: Divided, is_same: bool
) -> Mapped:
    """Return the map that the matches make, with what only one side has; `is_same` is said of the outputs."""
    a, b = matching.sides
    join_to_layers(matching)
    made = rows_of(matching)
    folded = folded_rows(matching)
    of_folded = {name for row in folded for name in row.a}
    packed = {name for row in made.rows for name in (*row.a, *row.b)}
    extra, constants = _lacking(matching, of_folded | packed, is_same)
    tied = tied_rows([row for row in made.rows if not of_folded & {*row.a}], ties)
    rows = parts.rows(tied.rows)
    rows = [with_aliases(row, a.parameters, b.parameters) for row in (*rows, *parts.folded(folded), *extra)]
    left = left_of(a.parameters, rows, "a"), left_of(b.parameters, rows, "b")
    kept = [tuple((name, "kept as the network is built") for name in side.kept) for side in (a, b)]
    said = [*lacked_parts(made.rows), *(f"{row.reason}: {(*row.a, *row.b)[0]}" for row in extra)]
    names = with_parts(PairNames(tuple(rows), *left, *kept), divided)
    constants |= made.constants
    notes = (*made.problems, *said, *tied.notes)
    return Mapped(names, constants, tied.equal, parts, divided, notes)


def _lacking(
    matching: Matching, settled: set[str], is_same: bool
) -> tuple[list[PairRow], dict[Piece, float]]:
    """Return rows of biases and of factors that only one side has: zeros and ones, if all else is matched.

    A norm without either is a layer more, unless the outputs are equal.
    """
    rows = []
    constants: dict[Piece, float] = {}
    for place, side in enumerate(matching.sides):
        known = (matching.matches, matching.taken)[place]
        owners = {side.parameters[piece.name].owner for piece in known}
        left = pieces_named(
            piece for piece in matching.pieces[place] if piece not in known and piece.name not in settled
        )
        for name, pieces in left.items():
            about = class_of(pieces[0])
            others = [one for one in matching.pieces[1 - place] if class_of(one) == about]
            counterparts = [one for one in others if one not in (matching.taken, matching.matches)[place]]
            kind = NEUTRAL.get(pieces[0].role or "") if about in matching.neutral else None
            is_part = is_same or side.parameters[name].owner in owners
            if kind is None or len(pieces) < pieces[0].cut.count or counterparts or not is_part:
                return [], {}
            shape = side.parameters[name].shape
            rows.append(without_counterpart(name, kind, shape, not place))
            if not place:
                constants |= dict.fromkeys(pieces, float(kind == "ones"))
    return rows, constants
