"""Comparing what two sides told of a run: gradients in sketches, and outputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .pieces import Key, Piece, Views, pieces_named
from .sides import See
from .sketches import distances, sketch
from .values import transpositions

Class = tuple[Key, str | None]

# what roundings alone make of equal gradients and of equal outputs, in float64 and in float32
ROUNDED = {True: 1e-7, False: 1e-4}
SAME_OUTPUTS = {True: 1e-9, False: 5e-4}


@dataclass(slots=True)
class Seen:
    """What a run of both sides told: the sketches of pieces, and how far the outputs are apart.

    `of_everything` is whether it tells of every piece, or of those alone that were not matched, `is_turned`
    whether the axes of any may be in another order, `is_guess` whether nothing was run.
    """

    of_everything: bool = False
    is_turned: bool = False
    is_guess: bool = False
    a: dict[Piece, np.ndarray] = field(default_factory=dict)
    b: dict[Piece, np.ndarray] = field(default_factory=dict)
    apart: float = np.inf
    # the size of the largest gradient of any parameter
    largest: float = 0.0


def sketching(pieces: Iterable[Piece], found: dict[Piece, np.ndarray], seen: Seen, views: Views) -> See:
    """Return what puts the sketches of these pieces of each gradient, as they are seen, into `found`."""
    by_name = pieces_named(pieces)

    def see(name: str, gradient: np.ndarray | None) -> None:
        if gradient is not None:
            seen.largest = max(seen.largest, float(np.linalg.norm(gradient)))
            for step in views.get(name, ()) if name in by_name else ():
                (gradient,) = step.forward([gradient])
            for piece in by_name.get(name, ()):
                found[piece] = sketch(piece.of(gradient))

    return see


def class_of(piece: Piece) -> Class:
    """Return what a piece can be matched with: the same sizes in the same role."""
    return piece.key, piece.role


def compared(
    seen: Seen, a: Sequence[Piece], b: Sequence[Piece]
) -> tuple[np.ndarray, list[list[tuple[int, ...]]]]:
    """Return the distances of pieces by their gradients, and the order of axes in which each is nearest."""
    found = np.ones((len(a), len(b)))
    orders: list[list[tuple[int, ...]]] = [[tuple(range(len(piece.shape)))] * len(b) for piece in a]
    rows, columns = (_by_shape(side) for side in (a, b))
    for shape_a, places_a in rows.items():
        for shape_b, places_b in columns.items():
            for order in transpositions(shape_a, shape_b, seen.is_turned):
                apart = distances(
                    [np.transpose(seen.a[a[place]], order) for place in places_a],
                    [seen.b[b[place]] for place in places_b],
                )
                for i, row in enumerate(places_a):
                    for j, column in enumerate(places_b):
                        if apart[i, j] < found[row, column]:
                            found[row, column] = apart[i, j]
                            orders[row][column] = order
    return found, orders


def _by_shape(pieces: Sequence[Piece]) -> dict[tuple[int, ...], list[int]]:
    found = defaultdict(list)
    for place, piece in enumerate(pieces):
        found[piece.shape].append(place)
    return found


def projected(place: int, size: int, seed: int) -> np.ndarray:
    """Return what the elements of an output count in the sum that is derived."""
    return np.random.default_rng([seed, place, size]).standard_normal(size)


def apart(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Return the largest difference of outputs, relative to the largest value; infinite if there is none.

    An infinity, as of a mask, is equal to the same at its place. One of several outputs may be zero.
    """
    if len(a) != len(b):
        return np.inf
    found = [_apart(one.reshape(-1), other.reshape(-1)) for one, other in zip(a, b, strict=True)]
    known = [one for one in found if one is not None]
    return max(known, default=np.inf)


def _apart(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return how far two outputs are apart; None where both are zero, or have no values."""
    if one.size != other.size:
        return np.inf
    if one.dtype.kind in "bui":
        # differences of bool are not defined, those of uint8 go round
        one, other = one.astype(np.float64), other.astype(np.float64)
    is_finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~is_finite], other[~is_finite]) or (one.size and not is_finite.any()):
        return np.inf
    largest = np.abs(one[is_finite]).max(initial=0.0)
    difference = np.abs(one[is_finite] - other[is_finite]).max(initial=0.0)
    if not largest:
        return np.inf if difference else None
    return float(difference / largest)
