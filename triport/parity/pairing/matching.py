"""Which piece of one side is which of the other: by their gradients, in rounds.

In each round both networks run forward and backward once, on one input. What is not matched yet has the value
of its sizes; what is matched has values of its own, the same on both sides, so that from round to round fewer
pieces look alike. Two pieces belong together where each is the other's nearest by gradient, and the next
one is clearly further away. Twins, whose gradients are equal, are told apart by giving one pair of them
values of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .comparing import SAME_OUTPUTS, Seen
from .rules import (
    beside,
    in_place,
    nearest,
    norm_before_bias,
    not_nearest,
    one_twin,
    only_ones,
    with_its_weight,
)
from .state import Match, Matching

# how much nearer the nearest must be than the next
_MARGIN, _WEAK_MARGIN = 3.0, 1.6
_MOST_ROUNDS = 400
_MOST_CORRECTIONS = 3


def match_all(matching: Matching, seen: Seen) -> Seen:
    """Match until nothing more can be told; where the graphs differ, take back what proves to be wrong.

    Returns:
        what the last run showed.
    """
    for number in range(_MOST_CORRECTIONS):
        seen = rounds(matching, seen)
        if seen.apart <= SAME_OUTPUTS[matching.is_double]:
            return seen
        matching.progress(f"looking at every pair again, {number + 1}")
        seen = matching.look(700 + number, everything=True)
        wrong = not_nearest(matching, seen)
        if not wrong:
            return seen
        for match in wrong:
            matching.drop(match)
        seen = matching.look(800 + number)
    return rounds(matching, seen)


def rounds(matching: Matching, seen: Seen) -> Seen:
    """Match, and run again with values of their own, until nothing more can be told.

    Returns:
        what the last run showed: of everything, once everything is matched.
    """
    for number in range(_MOST_ROUNDS):
        fresh = _fresh(matching, seen)
        for match in fresh:
            matching.accept(match)
        left = len(matching.pieces[0]) - len(matching.matches)
        matching.progress(f"round {number + 1}: {len(matching.matches)} matched, {left} left")
        if not fresh:
            break
        seen = matching.look(number + 1, everything=matching.is_complete)
    return seen


def _fresh(matching: Matching, seen: Seen) -> list[Match]:
    """Return what the first rule says that says anything; what it says of a piece twice is not said."""
    for said in _said(matching, seen):
        counts = Counter((place, piece) for match in said for place, piece in enumerate((match.a, match.b)))
        fresh = [match for match in said if counts[0, match.a] == counts[1, match.b] == 1]
        if fresh:
            return fresh
    return []


def _said(matching: Matching, seen: Seen) -> Iterator[list[Match]]:
    """Give what each rule says, in the order in which they are believed."""
    is_same = seen.apart <= SAME_OUTPUTS[matching.is_double]
    yield nearest(matching, seen, _MARGIN)
    if is_same:
        yield norm_before_bias(matching, seen)
    yield beside(matching, seen, is_same)
    yield with_its_weight(matching, seen)
    if is_same:
        yield one_twin(matching, seen)
    yield only_ones(matching, seen, is_same)
    if not is_same:
        yield nearest(matching, seen, _WEAK_MARGIN)
        yield in_place(matching)
    # roundings of float32 can make equal gradients differ; the proof decides
    yield beside(matching, seen, is_same=False)
