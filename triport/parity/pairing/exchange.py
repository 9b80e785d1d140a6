"""Which parameters can be exchanged with each other: shown by doing so, with the same outputs."""

from __future__ import annotations

from collections.abc import Callable

from .matching import SAME_OUTPUTS, Choice, Match, Matching
from .pieces import Piece

Progress = Callable[[str], None]
_MOST_CHOICES = 24


def exchangeable(matching: Matching, progress: Progress) -> tuple[tuple[str, ...], ...]:
    """Return groups of names of the first side that can be exchanged.

    For each choice among twins the other choice is made, and everything after it is matched anew: where that
    map is complete and gives the same outputs, what it exchanges is exchangeable.
    """
    original = dict(matching.matches)
    choices = list(matching.choices)
    groups: list[set[str]] = []
    for place, choice in enumerate(choices[:_MOST_CHOICES]):
        for other in choice.others:
            progress(f"exchanging twins, {place + 1} of {len(choices)}")
            found = _otherwise(matching, choice, other)
            if found is not None:
                for cycle in _cycles(original, found):
                    _join(groups, cycle)
    _restore(matching, tuple(original.values()))
    order = {name: place for place, name in enumerate(matching.sides[0].parameters)}
    return tuple(tuple(sorted(group, key=order.__getitem__)) for group in groups)


def _otherwise(matching: Matching, choice: Choice, other: Piece) -> dict[Piece, Match] | None:
    """Return the map with the other choice, None where there is none that gives the same outputs."""
    _restore(matching, choice.before)
    matching.accept(Match(choice.match.a, other, choice.match.order, choice.match.reason))
    matching.rounds(matching.look(500))
    if len(matching.matches) < len(matching.pieces[0]) or len(matching.taken) < len(matching.pieces[1]):
        return None
    seen = matching.look(501)
    return dict(matching.matches) if seen.apart <= SAME_OUTPUTS[matching.is_double] else None


def _restore(matching: Matching, matches: tuple[Match, ...]) -> None:
    """Go back to these matches, with the values that belong to them."""
    keep = set(matches)
    for match in list(matching.matches.values()):
        if match not in keep:
            matching.drop(match)
    for match in matches:
        if match.a not in matching.matches:
            matching.accept(match)


def _cycles(original: dict[Piece, Match], found: dict[Piece, Match]) -> list[set[str]]:
    """Return the names of the first side that one map has in each other's places."""
    by_b = {match.b: match.a for match in original.values()}
    cycles = []
    for piece, match in found.items():
        other = by_b[match.b]
        if other.name != piece.name:
            cycles.append({piece.name, other.name})
    return cycles


def _join(groups: list[set[str]], cycle: set[str]) -> None:
    touching = [group for group in groups if group & cycle]
    for group in touching:
        groups.remove(group)
        cycle = cycle | group
    groups.append(cycle)
