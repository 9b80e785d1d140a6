"""Which parameters can be exchanged with each other: shown by doing so, with the same outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from .comparing import SAME_OUTPUTS, apart
from .matching import rounds
from .pieces import Piece, pieces_named
from .state import Choice, Match, Matching
from .withstood import apart_with, feeds_of, may_be_negative

Progress = Callable[[str], None]
_MOST_CHOICES = 24
# what the order of sums makes of outputs that would be equal, in float64 and in float32
_ROUNDED = {True: 1e-11, False: 1e-5}


def exchangeable(matching: Matching, progress: Progress) -> tuple[tuple[str, ...], ...]:
    """Return groups of names of the first side that can be exchanged.

    What had equal gradients is exchanged, alone. For each choice among twins the other choice is made, and
    everything after it is matched anew: where that map is complete and gives the same outputs, what it
    exchanges is exchangeable. It is not where layers are set otherwise, which other inputs may show, nor
    where large inputs or negative values tell them apart.
    """
    original = dict(matching.matches)
    groups: list[set[str]] = []
    progress("exchanging what had equal gradients")
    for match in original.values():
        matching.set_own(match)
    pieces = pieces_named(matching.pieces[0])
    allowed = _ROUNDED[matching.sides[0].is_double]
    for one, other in sorted({(one.name, other.name) for one, other in matching.alike}):
        matched = all(piece in original for piece in (*pieces[one], *pieces[other]))
        same = matched and [piece.cut for piece in pieces[one]] == [piece.cut for piece in pieces[other]]
        together = any({one, other} <= group for group in groups)
        if one == other or not same or together or matching.computes_otherwise(one, other):
            continue
        if _are_the_same(matching, original, pieces[one], pieces[other], allowed):
            _join(groups, {one, other})
    choices = [one for one in matching.choices[:_MOST_CHOICES] if one.match.a in original]
    known = [apart_with(matching, original.values(), original[one.match.a]) for one in choices]
    for place, choice in enumerate(choices):
        for instead in choice.others:
            progress(f"exchanging twins, {place + 1} of {len(choices)}")
            found = _otherwise(matching, choice, instead, known[place])
            cycles = _exchanged(original, found) if found is not None else []
            if any(matching.computes_otherwise(*pair) for one in cycles for pair in combinations(one, 2)):
                continue
            for cycle in cycles:
                _join(groups, cycle)
    _restore(matching, tuple(original.values()))
    order = {name: place for place, name in enumerate(matching.sides[0].parameters)}
    return tuple(tuple(sorted(group, key=order.__getitem__)) for group in groups)


def _are_the_same(
    matching: Matching,
    original: dict[Piece, Match],
    one: Sequence[Piece],
    other: Sequence[Piece],
    allowed: float,
) -> bool:
    """Return whether two of the first side's parameters, in their pieces, can be exchanged alone."""
    side = matching.sides[0]
    ways = [(feed, False) for feed in feeds_of(matching)]
    # of the one alone
    ways += [(matching.feed, True)] * all(map(may_be_negative, one))
    is_same = True
    for feed, is_signed in ways:
        _give(matching, one, [original[piece] for piece in one], is_signed)
        _give(matching, other, [original[piece] for piece in other])
        before = side.outputs(feed)
        _give(matching, other, [original[piece] for piece in one], is_signed)
        _give(matching, one, [original[piece] for piece in other])
        found = apart(before, side.outputs(feed))
        # signs that make no number say nothing
        is_same = is_same and (found <= allowed or (is_signed and not np.isfinite(found)))
    _give(matching, (*one, *other), [original[piece] for piece in (*one, *other)])
    return is_same


def _give(
    matching: Matching, pieces: Sequence[Piece], matches: Sequence[Match], is_signed: bool = False
) -> None:
    """Give pieces of the first side the values of matches."""
    for piece, match in zip(pieces, matches, strict=True):
        matching.give(0, piece, matching.own(match, is_signed=is_signed).astype(np.float32))


def _otherwise(
    matching: Matching, choice: Choice, other: Piece, known: Sequence[float]
) -> dict[Piece, Match] | None:
    """Return the map with the other choice, None where there is none that gives the same outputs.

    Args:
        matching: has the map.
        choice: one among twins.
        other: what is chosen instead.
        known: how far outputs are apart with the map itself, in each way of `apart_with`.
    """
    _restore(matching, choice.before)
    matching.accept(Match(choice.match.a, other, choice.match.order, choice.match.reason))
    seen = rounds(matching, matching.look(500))
    if not matching.is_complete or seen.apart > SAME_OUTPUTS[matching.is_double]:
        return None
    most = _ROUNDED[matching.is_double]
    found = apart_with(matching, matching.matches.values(), matching.matches[choice.match.a])
    same = len(found) == len(known) and all(
        one <= max(most, 2 * own) for one, own in zip(found, known, strict=True)
    )
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
