"""A map by order alone, of calls or definitions: a guess, which is believed where numbers bear it out.

Most pairs are written alike. Where outputs and every gradient agree with a guess, each piece with values of
its own, all rounds are spared; where the graphs differ, the proof by substitution decides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial

from .comparing import SAME_OUTPUTS, Class, Seen, class_of
from .pieces import Piece
from .rules import agree, remember_alike
from .state import Match, Matching
from .values import transpositions

_Order = Callable[[int, Piece], tuple[int | str, ...]]


def by_guess(matching: Matching, seen: Seen) -> Seen | None:
    """Accept a guess with which outputs and all gradients agree, if there is one.

    Args:
        matching: has the values of the sizes.
        seen: of all of its pieces; where two of one side are alike, twins are looked for in rounds.

    Returns:
        what the last run showed; None: there is no such guess.
    """
    if seen.apart > SAME_OUTPUTS[matching.is_double]:
        return None
    remember_alike(matching, seen)
    if matching.alike:
        return None
    for number, matches in enumerate(guesses(matching)):
        matching.progress("comparing gradients in the order of calls")
        for match in matches:
            matching.accept(match)
        found = matching.look(900 + number, everything=True)
        if bears_out(matching, found):
            return found
        for match in matches:
            matching.drop(match)
    return None


def bears_out(matching: Matching, seen: Seen) -> bool:
    """Whether outputs are equal, and the gradients of the pieces of every match."""
    return (
        matching.is_settled
        and seen.apart <= SAME_OUTPUTS[matching.is_double]
        and all(agree(matching, seen, match.a, match.b) for match in matching.matches.values())
    )


def guesses(matching: Matching) -> Iterator[list[Match]]:
    """Yield the map by the order of calls and, where they are others, two more.

    Of parameters of one module that no layer has, nothing says in which order code computes with them: they
    are taken as they are defined, then by their names. At last all go by the order of definitions.
    """
    defined = [{name: place for place, name in enumerate(side.parameters)} for side in matching.sides]
    called = matching.places()

    def by_calls(place: int, piece: Piece) -> tuple[int | str, ...]:
        return called[place].get(piece.name, -1), defined[place][piece.name], piece.block

    def by_names(place: int, piece: Piece) -> tuple[int | str, ...]:
        leaf = piece.name.rpartition(".")[2]
        return called[place].get(piece.name, -1), leaf, defined[place][piece.name], piece.block

    def by_definitions(place: int, piece: Piece) -> tuple[int | str, ...]:
        return defined[place][piece.name], piece.block

    known: list[list[Match]] = []
    for order in (by_calls, by_names, by_definitions):
        found = _in_order(matching, order)
        if found is not None and found not in known:
            known.append(found)
            yield found


def _in_order(matching: Matching, order: _Order) -> list[Match] | None:
    """Return the pieces of each kind side by side; None where one side has more that does something."""
    found: dict[Piece, Match] = {}
    uneven: list[tuple[list[Piece], list[Piece]]] = []
    for a, b in _kinds(matching):
        if len(a) != len(b):
            uneven.append((a, b))
            continue
        ordered = [sorted(side, key=partial(order, at)) for at, side in enumerate((a, b))]
        for one, other in zip(*ordered, strict=True):
            orders = transpositions(one.shape, other.shape, matching.plan.is_turned)
            if not orders:
                return None
            found[one] = Match(one, other, orders[0], "the order of calls")
    for a, b in uneven:
        if any(class_of(piece) not in matching.neutral for piece in (*a, *b)):
            return None
        beside = _beside_weights(matching, found, a, b)
        if len(beside) < min(len(a), len(b)):
            return None
        found |= beside
    matches = list(found.values())
    return matches if _keeps_layers(matching, matches) else None


def _keeps_layers(matching: Matching, matches: Sequence[Match]) -> bool:
    """Whether all that a known layer owns is in one layer of the other side, where nothing is cut."""
    first, second = (side.parameters for side in matching.sides)
    pairs = {
        (first[match.a.name].owner, second[match.b.name].owner)
        for match in matches
        if None not in (first[match.a.name].leaf, second[match.b.name].leaf)
        if match.a.cut.count == match.b.cut.count == 1
    }
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _kinds(matching: Matching) -> list[tuple[list[Piece], list[Piece]]]:
    """Return the pieces of both sides by their sizes, and by what they are in known layers."""

    def fine(place: int, piece: Piece) -> tuple[Class, str | None]:
        one = matching.sides[place].parameters[piece.name]
        return class_of(piece), None if one.leaf is None else one.leaf.name

    counts = [Counter(fine(at, piece) for piece in side) for at, side in enumerate(matching.pieces)]
    coarse = {kind[0] for kind in {*counts[0], *counts[1]} if counts[0][kind] != counts[1][kind]}
    found: dict[Hashable, tuple[list[Piece], list[Piece]]] = defaultdict(lambda: ([], []))
    for at, side in enumerate(matching.pieces):
        for piece in side:
            about = class_of(piece)
            found[about if about in coarse else fine(at, piece)][at].append(piece)
    return list(found.values())


def _beside_weights(
    matching: Matching, found: dict[Piece, Match], a: Sequence[Piece], b: Sequence[Piece]
) -> dict[Piece, Match]:
    """Return the vectors of layers that both sides have, of which one side has more vectors."""
    first, second = (side.parameters for side in matching.sides)
    owners = {first[match.a.name].owner: second[match.b.name].owner for match in found.values()}

    def key(owner: str, name: str, piece: Piece, place: int) -> Hashable:
        leaf = matching.sides[place].parameters[name].leaf
        return owner, None if leaf is None else leaf.name, piece.block, piece.cut.count

    theirs = {key(second[one.name].owner, one.name, one, 1): one for one in b}
    return {
        one: Match(one, other, (0,), "the rest of its layer")
        for one in a
        if (other := theirs.get(key(owners.get(first[one.name].owner, ""), one.name, one, 0))) is not None
        and other.shape == one.shape
    }
