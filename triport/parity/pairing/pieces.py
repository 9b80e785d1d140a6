"""What is matched: parameters, or blocks of parameters that the other side keeps otherwise.

A (3d, d) tensor of one side that stands against three (d, d) of the other is cut into three blocks; so is
what one network concatenates and the other does not. Which tensors are cut, and how, follows from which
shapes are on one side only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from triport.converters.naming.step import Step

from .sides import Shape, SideParameter

# sizes other than one, largest first: what a transposition and a squeeze leave as it is
Key = tuple[int, ...]
Parameters = Mapping[str, SideParameter]
# by name, the steps from what a network keeps to what its pieces are taken of
Views = Mapping[str, tuple[Step, ...]]


# a parameter and which of its blocks
Block = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """How a parameter is cut: along an axis of its squeezed shape, into `count` equal blocks."""

    axis: int = 0
    count: int = 1


WHOLE = Cut()
# by name, the axis of the squeezed shape that is cut, and how long a block is
Blocks = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Piece:
    """The `block`-th block of a parameter, which is the parameter itself where it is not cut."""

    name: str
    block: int
    cut: Cut
    shape: Shape
    role: str | None = None
    # its sizes, as they are the same however it is transposed
    key: Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.shape))

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


def viewed(parameters: Parameters, views: Views) -> dict[str, SideParameter]:
    """Return parameters with the shapes in which they are seen."""
    found = {}
    for name, one in parameters.items():
        shapes = [one.shape]
        for step in views.get(name, ()):
            shapes = step.shapes(shapes)
        found[name] = replace(one, shape=tuple(shapes[0]))
    return found


def pieces_named(pieces: Iterable[Piece]) -> dict[str, list[Piece]]:
    """Return pieces by the name of their parameter."""
    found: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        found[piece.name].append(piece)
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Which parameters of either side are cut, and which are seen otherwise; `what` says what that is for.

    `lacked` are biases of either side, or blocks of them, that the other lacks. `blocks` are what is cut into
    blocks of which length, and the tensors of the other side that are one such block. `is_turned` is whether
    axes may have changed places in tensors of three axes and more that both sides have in one shape.
    """

    a: Mapping[str, Cut]
    b: Mapping[str, Cut]
    what: str = ""
    views_a: Views = field(default_factory=dict)
    views_b: Views = field(default_factory=dict)
    lacked: tuple[frozenset[Block], frozenset[Block]] = (frozenset(), frozenset())
    blocks: tuple[Blocks, Blocks] = field(default_factory=lambda: ({}, {}))
    is_turned: bool = False
