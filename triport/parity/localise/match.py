"""Which unit of one net is which of another: by shape and connections, whatever their names and order.

A unit's colour is its label with the colours of all that feeds it, and then of all that it feeds (the
Weisfeiler-Lehman test, in one sweep each way, which is enough in a graph without cycles). Units of one
colour are one unit; where several share it, the graph looks the same from each, and their order decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .units import IMAGES, Unit


@dataclass(frozen=True, slots=True)
class IndexMatch:
    """The index of theirs for that of every one of ours that has a counterpart.

    `parts` is the first of ours that is connected otherwise; None where the two nets are one.
    """

    pairs: dict[int, int]
    parts: int | None


def matched(ours: Sequence[Unit], theirs: Sequence[Unit]) -> IndexMatch:
    """Lay one net over the other.

    A unit that has none in the whole graph may still have one in what leads to it: that is tried next, so
    that a difference leaves the units before it matched.
    """
    pairs: dict[int, int] = {}
    before = _colours_before(ours), _colours_before(theirs)
    after = _colours_after(ours), _colours_after(theirs)
    ours_whole, theirs_whole = (
        [_hash(b, a) for b, a in zip(*both, strict=True)] for both in zip(before, after, strict=True)
    )
    _pair(ours_whole, theirs_whole, pairs)
    if len(pairs) == len(ours) == len(theirs):
        return IndexMatch(pairs, None)
    led_to: dict[int, int] = {}
    _pair(*before, led_to)
    for colours in (before, after):
        _pair(*colours, pairs)
    # where all that leads to each of ours is there too, theirs goes on after the last
    return IndexMatch(
        pairs, next((index for index in range(len(ours)) if index not in led_to), len(ours) - 1)
    )


def _pair(ours: Sequence[str], theirs: Sequence[str], pairs: dict[int, int]) -> None:
    waiting: dict[str, list[int]] = defaultdict(list)
    taken = set(pairs.values())
    for index, colour in enumerate(theirs):
        if index not in taken:
            waiting[colour].append(index)
    for index, colour in enumerate(ours):
        if index not in pairs and waiting[colour]:
            pairs[index] = waiting[colour].pop(0)


def _colours_before(units: Sequence[Unit]) -> list[str]:
    colours: dict[int, str] = {IMAGES: "images"}
    for index, unit in enumerate(units):
        colours[index] = _hash(unit.label, sorted((colours[at], way) for at, way in unit.sources))
    return [colours[index] for index in range(len(units))]


def _colours_after(units: Sequence[Unit]) -> list[str]:
    readers: dict[int, list[tuple[int, Any]]] = defaultdict(list)
    for index, unit in enumerate(units):
        for at, way in unit.sources:
            readers[at].append((index, way))
    colours: dict[int, str] = {}
    for index in reversed(range(len(units))):
        colours[index] = _hash(
            units[index].label, sorted((colours[reader], way) for reader, way in readers[index])
        )
    return [colours[index] for index in range(len(units))]


def _hash(*what: Any) -> str:
    return hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()
