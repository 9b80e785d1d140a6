"""Which parameters can be exchanged with each other: shown by doing so, with the same outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .comparing import SAME_OUTPUTS, apart
from .matching import rounds
from .pieces import Piece, pieces_named
from .state import Choice, Match, Matching

Progress = Callable[[str], None]
_MOST_CHOICES = 24
# of outputs of float32 that would be equal but for the order of sums
_ROUNDED = 1e-5


def exchangeable(matching: Matching, progress: Progress) -> tuple[tuple[str, ...], ...]:
    """Return groups of names of the first side that can be exchanged.

    What had equal gradients is exchanged, alone. For each choice among twins the other choice is made, and
    everything after it is matched anew: where that map is complete and gives the same outputs, what it
    exchanges is exchangeable.
    """
    original = dict(matching.matches)
    groups: list[set[str]] = []
    progress("exchanging what had equal gradients")
    for match in original.values():
        matching.set_own(match)
    before: list[np.ndarray] = []
    pieces = pieces_named(matching.pieces[0])
    allowed = SAME_OUTPUTS[True] if matching.sides[0].is_double else _ROUNDED
    for one, other in sorted({(one.name, other.name) for one, other in matching.alike}):
        known = all(piece in original for piece in (*pieces[one], *pieces[other]))
        same = known and [piece.cut for piece in pieces[one]] == [piece.cut for piece in pieces[other]]
        together = any({one, other} <= group for group in groups)
        if one == other or not same or together:
            continue
        before = before or matching.sides[0].outputs(matching.feed)
        if apart(before, _exchanged_alone(matching, original, pieces[one], pieces[other])) <= allowed:
            _join(groups, {one, other})
    choices = list(matching.choices)[:_MOST_CHOICES]
    for place, choice in enumerate(choices):
        for instead in choice.others:
            progress(f"exchanging twins, {place + 1} of {len(choices)}")
            found = _otherwise(matching, choice, instead)
            for cycle in _exchanged(original, found) if found is not None else ():
                _join(groups, cycle)
    _restore(matching, tuple(original.values()))
    order = {name: place for place, name in enumerate(matching.sides[0].parameters)}
    return tuple(tuple(sorted(group, key=order.__getitem__)) for group in groups)


def _exchanged_alone(
    matching: Matching, original: dict[Piece, Match], one: Sequence[Piece], other: Sequence[Piece]
) -> list[np.ndarray]:
    """Return the first side's outputs with two of its parameters, in their pieces, exchanged."""
    side = matching.sides[0]
    for piece, from_piece in (*zip(one, other, strict=True), *zip(other, one, strict=True)):
        matching.give(0, piece, matching.own(original[from_piece]))
    after = side.outputs(matching.feed)
    for piece in (*one, *other):
        matching.give(0, piece, matching.own(original[piece]))
    return after


def _otherwise(matching: Matching, choice: Choice, other: Piece) -> dict[Piece, Match] | None:
    """Return the map with the other choice, None where there is none that gives the same outputs."""
    _restore(matching, choice.before)
    matching.accept(Match(choice.match.a, other, choice.match.order, choice.match.reason))
    seen = rounds(matching, matching.look(500))
    same = matching.is_complete and seen.apart <= SAME_OUTPUTS[matching.is_double]
    return dict(matching.matches) if same else None


def _restore(matching: Matching, matches: tuple[Match, ...]) -> None:
    """Go back to these matches, with the values that belong to them."""
    keep = set(matches)
    for match in list(matching.matches.values()):
        if match not in keep:
            matching.drop(match)
    for match in matches:
        if match.a not in matching.matches:
            matching.accept(match)


def _exchanged(original: dict[Piece, Match], found: dict[Piece, Match]) -> list[set[str]]:
    """Return the names of the first side that one map has in each other's places.

    None where blocks change their places within a tensor too: rows of what weighs experts go with these.
    """
    by_b = {match.b: match.a for match in original.values()}
    moves: dict[str, set[tuple[str, bool]]] = {}
    for piece, match in found.items():
        other = by_b[match.b]
        moves.setdefault(piece.name, set()).add((other.name, other.block == piece.block))
    if any(len(to) > 1 or not in_place for to in moves.values() for _, in_place in to):
        return []
    return [{name, other} for name, to in moves.items() for other, _ in to if other != name]


def _join(groups: list[set[str]], cycle: set[str]) -> None:
    touching = [group for group in groups if group & cycle]
    for group in touching:
        groups.remove(group)
        cycle = cycle | group
    groups.append(cycle)
