"""Weights that one network has tied and the other has not: one tensor there, several here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from triport.converters.naming.constant_steps import Repeat, Unify
from triport.converters.naming.pair_names import PairRow

from .pieces import key_of
from .sides import Side
from .sides.module import ModuleSide

# by the first name of a tensor, its other names
Ties = Mapping[str, tuple[str, ...]]


def untied(a: Side, b: Side) -> tuple[Ties, Ties]:
    """Untie what one side has tied and the other has more of; return what was tied, of either side.

    Weights of the side that has them apart can be moved where they are equal, and the steps look. What one
    side has packed leaves the other with more tensors of a size, and with as many numbers in all.
    """
    sides = a, b
    counts = [Counter(key_of(one.shape) for one in side.parameters.values()) for side in sides]
    totals = [sum(one.size for one in side.parameters.values()) for side in sides]
    found: list[dict[str, tuple[str, ...]]] = [{}, {}]
    for place, side in enumerate(sides):
        here, there = counts[place], counts[1 - place]
        if isinstance(side, ModuleSide):
            found[place] = {
                name: side.untie(name)
                for name, one in list(side.parameters.items())
                if one.aliases and there[key_of(one.shape)] >= here[key_of(one.shape)] + len(one.aliases)
                # a bias or so may be on this side alone
                if 2 * (totals[1 - place] - totals[place]) >= one.size * len(one.aliases)
            }
    return found[0], found[1]


@dataclass(frozen=True, slots=True)
class Tied:
    """Rows in which what is tied on either side stands together: one tensor under all its names.

    `equal` are the names of the first side's tensors that must be equal, by the first of them; `notes` say of
    which that is not so in the network itself.
    """

    rows: list[PairRow]
    equal: Ties
    notes: tuple[str, ...]


def tied_rows(rows: Sequence[PairRow], ties: tuple[Ties, Ties]) -> Tied:
    """Return rows in which what is tied stands together."""
    by_name = [{getattr(row, side)[0]: row for row in rows if _is_of_one(row)} for side in "ab"]
    joined: list[PairRow] = []
    equal = dict(ties[0])
    notes: list[str] = []
    gone: set[int] = set()
    for place, of_side in enumerate(ties):
        for name, others in of_side.items():
            parts = [by_name[place][one] for one in (name, *others) if one in by_name[place]]
            if len(parts) != 1 + len(others) or any(row.steps or id(row) in gone for row in parts):
                continue
            a, b = (tuple(getattr(row, side)[0] for row in parts) for side in "ab")
            joined.append(PairRow(a, b, (Unify(len(parts)), Repeat(len(parts))), parts[0].reason))
            gone |= {id(row) for row in parts}
            if place:
                equal[a[0]] = a[1:]
                notes.append(
                    f"the other side has one tensor for {' and '.join(a)}: weights can be moved where these "
                    f"are equal"
                )
    return Tied([*(row for row in rows if id(row) not in gone), *joined], equal, tuple(notes))


def _is_of_one(row: PairRow) -> bool:
    return len(row.a) == len(row.b) == 1
