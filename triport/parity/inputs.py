"""The further inputs that every candidate is run on, beside the one that the report is about.

A fault may show only with one row, only with three or more, only at another size, or only where noise does
not reach: an activation that is clipped just above it, inputs that are clipped, images of one colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from triport.reference_models.network import Arrays, Input, Integers, Network

from .precision import FULL

GREY = 0.7
# how far beyond noise large values are: pixels that nobody normalised reach 255
LARGE = 64.0


@dataclass(frozen=True, slots=True, eq=False)
class Further:
    """A further feed, with a title.

    `images` says what each row is, and `rows` which row of the main feed it is, from 0; None where it is
    none of them. A network without rows has one, which is all of it.
    """

    feed: Arrays
    images: tuple[str, ...]
    rows: tuple[int | None, ...]
    title: str
    other_size: bool = False

    @property
    def own(self) -> list[int]:
        """The rows that are not of the main feed."""
        return [index for index, row in enumerate(self.rows) if row is None]

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The main feed and what is run besides; None: what `further_inputs` makes."""

    feed: Arrays
    further: tuple[Further, ...] | None = None


def sample_feed(network: Network, sizes: dict[str, int], seed: int | Sequence[int]) -> dict[str, np.ndarray]:
    """Return values for every input, as each draws them; `sizes` are those of the free axes."""
    random = np.random.default_rng(seed)
    sizes = {**network.sizes, **sizes}
    return {given.name: given.draw(sizes, random) for given in network.inputs}


def further_inputs(
    network: Network, feed: Arrays, precision: str, seed: int, *, other_size: bool = True
) -> list[Further]:
    """Return what is run besides `feed`: one row, three, and one of another size.

    In full precision two of the three are one that has a single value and one of large values, which a
    lower precision need not hold. In int8 there is no other size: files are quantised for one.
    """
    found = _rows(network, feed, precision, seed) if network.rows else _edges(network, feed, precision, seed)
    if other_size and precision != "int8" and (resized := _resized(network, feed, seed)):
        found.append(resized)
    return found


def _rows(network: Network, feed: Arrays, precision: str, seed: int) -> list[Further]:
    """Return one row and three of a network that has any."""
    rows = network.rows
    assert rows is not None
    count, found = rows.count(feed), []
    first = rows.take(feed, [0])
    if count != 1:
        found.append(Further(first, ("the first",), (0,), _title(network, first)))
    if precision in FULL:
        single, large = (_changed(network, first, change, seed) for change in (_one_value, _large))
        edges = {
            name: np.concatenate([first[name], single[name], large[name]], rows.inputs[name])
            if name in rows.inputs
            else array
            for name, array in first.items()
        }
        what = "colour" if _has_images(network) else "value"
        names = ("the first", f"one of a single {what}", "one of large values")
        found.append(Further(edges, names, (0, None, None), _title(network, edges)))
    elif count != 3:
        taken = [index % count for index in range(3)]
        names = ("the first", "the second" if count > 1 else "the first", "the first")
        if count > 3:
            names = ("the first", "the second", "the third")
        three = rows.take(feed, taken)
        found.append(Further(three, names, tuple(taken), _title(network, three)))
    return found


def _edges(network: Network, feed: Arrays, precision: str, seed: int) -> list[Further]:
    """Return the values where noise does not reach, for a network without rows."""
    if precision not in FULL:
        return []
    return [
        Further(_changed(network, feed, change, seed), (what,), (None,), f"inputs {what}")
        for change, what in ((_one_value, "of a single value"), (_large, "of large values"))
    ]


def _resized(network: Network, feed: Arrays, seed: int) -> Further | None:
    """Return one row with every other free axis of another size; None where there is none."""
    given = network.inputs
    rows = network.rows
    batched = {
        one.shape[rows.inputs[one.name]] for one in given if rows is not None and one.name in rows.inputs
    }
    sizes: dict[str, int] = {}
    for one in given:
        for axis, side in zip(one.shape, feed[one.name].shape, strict=True):
            if isinstance(axis, str):
                sizes[axis] = 1 if axis in batched else other_size_of(side)
    if all(axis in batched for axis in sizes):
        return None
    other = next(size for axis, size in sizes.items() if axis not in batched)
    made = sample_feed(network, sizes, [seed, other])
    return Further(made, ("noise",), (None,), _title(network, made), other_size=True)


def other_size_of(size: int) -> int:
    """Return an odd size: a small one, which costs little, or the next where that would leave too little."""
    small = size * 7 // 16 | 1
    return small if small >= 65 else size + 1 | 1


def _changed(
    network: Network, feed: Arrays, change: Callable[[Input, np.ndarray, int], np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Return a feed whose inputs are changed; one that every row shares is no row's and stays."""
    rows = network.rows
    return {
        given.name: change(given, feed[given.name], seed)
        if rows is None or given.name in rows.inputs
        else feed[given.name]
        for given in network.inputs
    }


def _one_value(given: Input, array: np.ndarray, seed: int) -> np.ndarray:
    """Return an array of one value: the highest of whole numbers."""
    value = given.values.high - 1 if isinstance(given.values, Integers) else GREY
    return np.full_like(array, value)


def _large(given: Input, array: np.ndarray, seed: int) -> np.ndarray:
    """Return patches and noise, both far beyond what noise reaches; of whole numbers the two ends."""
    if isinstance(given.values, Integers):
        ends = np.random.default_rng([seed, array.size, 1]).integers(0, 2, array.shape)
        return np.where(ends, given.values.high - 1, given.values.low).astype(array.dtype)
    if array.ndim != 4:
        random = np.random.default_rng([seed, array.size, 1])
        return (LARGE * random.standard_normal(array.shape)).astype(array.dtype)
    random = np.random.default_rng([seed, array.shape[-1], 1])
    patches = random.standard_normal((*array.shape[:2], 4, 4))
    high, wide = -(-array.shape[-2] // 4), -(-array.shape[-1] // 4)
    spread = patches.repeat(high, 2).repeat(wide, 3)[..., : array.shape[-2], : array.shape[-1]]
    return (LARGE * (spread + random.standard_normal(array.shape) / 4)).astype(array.dtype)


def _has_images(network: Network) -> bool:
    """Whether the one input has images: two sides behind three channels."""
    shapes = [given.shape for given in network.inputs]
    return len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][1] == 3


def _title(network: Network, feed: Arrays) -> str:
    """Return how many rows a feed has, and its sizes: "3 images of 32 px", "1 row, length 7"."""
    rows = network.rows
    count = rows.count(feed) if rows is not None else 1
    if _has_images(network):
        sides = dict.fromkeys(next(iter(feed.values())).shape[2:])
        return f"{count} image{'s'[: count > 1]} of {' x '.join(map(str, sides))} px"
    batched = set() if rows is None else set(rows.inputs.items())
    sizes = {
        axis: side
        for given in network.inputs
        for index, (axis, side) in enumerate(zip(given.shape, feed[given.name].shape, strict=True))
        if isinstance(axis, str) and (given.name, index) not in batched
    }
    words = [f"{count} row{'s'[: count > 1]}" if rows is not None else "inputs"]
    return ", ".join([*words, *(f"{axis} {side}" for axis, side in sizes.items())])
