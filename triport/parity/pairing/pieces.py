"""What is matched: parameters, or blocks of parameters that the other side keeps otherwise.

A (3d, d) tensor of one side that stands against three (d, d) of the other is cut into three blocks; so is
what one network concatenates and the other does not. Which tensors are cut, and how, follows from which
shapes are on one side only.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .sides import Shape, SideParameter

# sizes other than one, largest first: what a transposition and a squeeze leave as it is
Key = tuple[int, ...]
Parameters = Mapping[str, SideParameter]


@dataclass(frozen=True, slots=True)
class Cut:
    """How a parameter is cut: along an axis of its squeezed shape, into `count` equal blocks."""

    axis: int = 0
    count: int = 1


WHOLE = Cut()


@dataclass(frozen=True, slots=True)
class Piece:
    """The `block`-th block of a parameter, which is the parameter itself where it is not cut."""

    name: str
    block: int
    cut: Cut
    shape: Shape
    role: str | None = None

    @property
    def key(self) -> Key:
        """Its sizes, as they are the same however it is transposed."""
        return key_of(self.shape)

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return this piece of its parameter's values, squeezed; a view."""
        whole = array.reshape(squeezed(array.shape))
        if self.cut.count == 1:
            return whole
        size = whole.shape[self.cut.axis] // self.cut.count
        places = [slice(None)] * whole.ndim
        places[self.cut.axis] = slice(self.block * size, (self.block + 1) * size)
        return whole[tuple(places)].reshape(self.shape)


def squeezed(shape: Iterable[int]) -> Shape:
    """Return a shape without axes of one."""
    return tuple(size for size in shape if size != 1)


def key_of(shape: Iterable[int]) -> Key:
    """Return a shape's sizes, largest first, without ones."""
    return tuple(sorted(squeezed(shape), reverse=True))


def pieces_of(parameters: Parameters, cuts: Mapping[str, Cut], roles: bool) -> list[Piece]:
    """Return the pieces of a side; `roles` is whether what is known of layers is to be trusted."""
    found = []
    for name, one in parameters.items():
        cut = cuts.get(name, WHOLE)
        shape = squeezed(one.shape)
        if cut.count > 1:
            size = shape[cut.axis] // cut.count
            shape = squeezed((*shape[: cut.axis], size, *shape[cut.axis + 1 :]))
        role = one.role if roles and len(shape) <= 1 else None
        found += [Piece(name, block, cut, shape, role) for block in range(cut.count)]
    return found


def pieces_named(pieces: Iterable[Piece]) -> dict[str, list[Piece]]:
    """Return pieces by the name of their parameter."""
    found: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        found[piece.name].append(piece)
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Which parameters of either side are cut, and what it was done for."""

    a: Mapping[str, Cut]
    b: Mapping[str, Cut]
    what: str = ""


def first_plan(a: Parameters, b: Parameters) -> Plan:
    """Return the cuts without which the two sides have other shapes; none where they have the same."""
    lengths = _lengths(a, b)
    return Plan(_cut(a, lengths), _cut(b, lengths), "shapes")


def packed_plan(a: Parameters, b: Parameters, parts: int, blocks_of: int | None = None) -> Plan | None:
    """Return cuts of what may be packed: (3d, d), and whatever else has 3d; None where there is none.

    Args:
        a: the parameters of one side.
        b: those of the other.
        parts: how many are packed: 3, or 4 gates.
        blocks_of: the length of the blocks, which may be in any order; None: d.
    """
    widths = {
        key[1]
        for one in (*a.values(), *b.values())
        if len(key := key_of(one.shape)) == 2 and key[0] == parts * key[1]
    }
    if not widths or (blocks_of is not None and any(width % blocks_of for width in widths)):
        return None
    first = first_plan(a, b)
    one_sided = bool(first.a or first.b)

    def cut(parameters: Parameters, found: Mapping[str, Cut]) -> dict[str, Cut]:
        cuts = dict(found)
        for name, one in parameters.items():
            shape = squeezed(one.shape)
            packed = next((axis for axis, size in enumerate(shape) if size // parts in widths), None)
            if len(shape) <= 2 and packed is not None and shape[packed] % parts == 0:
                width = shape[packed] // parts
                cuts[name] = Cut(packed, shape[packed] // (blocks_of or width))
            elif blocks_of is not None and name in found:
                cuts[name] = Cut(found[name].axis, shape[found[name].axis] // blocks_of)
            elif blocks_of is not None and one_sided and len(shape) <= 2 and set(shape) <= widths and shape:
                cuts[name] = Cut(0, shape[0] // blocks_of)
        return {name: one for name, one in cuts.items() if one.count > 1}

    return Plan(cut(a, first.a), cut(b, first.b), f"{parts} packed, blocks of {blocks_of or 'their width'}")


def plans_of(a: Parameters, b: Parameters) -> list[Plan]:
    """Return every plan that these shapes allow, the plainest first."""
    found = [first_plan(a, b)]
    for parts in (3, 4):
        for blocks_of in (None, 64, 32, 16, 8, 4, 2)[: 7 if parts == 3 else 1]:
            plan = packed_plan(a, b, parts, blocks_of)
            if plan is not None and plan not in found:
                found.append(plan)
    return found


def _lengths(a: Parameters, b: Parameters) -> dict[tuple[Key, int, int], int]:
    """Return, for the shapes that one side has more of, the axis to cut along and the length of a block.

    A key of what is returned is a group (the sizes of the other axes), the length and the kind of axis.
    """
    count_a, count_b = (Counter(key_of(one.shape) for one in side.values()) for side in (a, b))
    more = {
        key: count_a[key] - count_b[key]
        for key in sorted({*count_a, *count_b})
        if key and count_a[key] != count_b[key]
    }
    found: dict[tuple[Key, int, int], int] = {}
    settled: set[Key] = set()
    for place in range(4):  # along the longest axis, or the next
        groups: dict[Key, dict[int, int]] = defaultdict(dict)
        for key, surplus in more.items():
            if key not in settled and place < len(key):
                groups[(*key[:place], *key[place + 1 :])][key[place]] = surplus
        for rest, lengths in groups.items():
            for members in _balanced(lengths):
                block = math.gcd(*members)
                settled |= {key_of((*rest, length)) for length in members}
                for length in members:
                    found[rest, length, len(rest) + 1] = block
    return found


def _balanced(lengths: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return the sets of lengths of which both sides have as many values in all; each is cut by itself.

    Args:
        lengths: how many more tensors of a length the first side has.
    """
    if sum(length * surplus for length, surplus in lengths.items()) or len(lengths) < 2:
        return []
    left = dict(sorted(lengths.items()))
    found: list[tuple[int, ...]] = []
    for small, large in [(x, y) for x in left for y in left if x < y and y % x == 0]:
        if small in left and large in left and small * left[small] + large * left[large] == 0:
            found.append((small, large))
            del left[small], left[large]
    return [*found, tuple(left)] if left else found


def _cut(parameters: Parameters, lengths: Mapping[tuple[Key, int, int], int]) -> dict[str, Cut]:
    found = {}
    for name, one in parameters.items():
        shape = squeezed(one.shape)
        for axis in sorted(range(len(shape)), key=lambda axis: -shape[axis]):
            rest = key_of((*shape[:axis], *shape[axis + 1 :]))
            block = lengths.get((rest, shape[axis], len(shape)))
            if block is not None:
                found[name] = Cut(axis, shape[axis] // block)
                break
    return {name: cut for name, cut in found.items() if cut.count > 1}
