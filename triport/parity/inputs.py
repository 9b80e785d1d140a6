"""The further inputs that every candidate is run on, beside the batch that the report is about.

A fault may show only with one image, only with three or more, only at another size, or only where noise does
not reach: an activation that is clipped just above it, inputs that are clipped, images of one colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .precision import FULL

GREY = 0.7
# how far beyond noise large values are: pixels that nobody normalised reach 255
LARGE = 64.0


@dataclass(frozen=True, slots=True, eq=False)
class Further:
    """A further batch (N, 3, H, W) float32.

    `images` says what each image is, and `rows` which image of the main batch it is, from 0; None where it is
    none of them.
    """

    batch: np.ndarray
    images: tuple[str, ...]
    rows: tuple[int | None, ...]

    @property
    def own(self) -> list[int]:
        """The images that are not of the main batch."""
        return [index for index, row in enumerate(self.rows) if row is None]

    def __str__(self) -> str:
        count, size_px = len(self.batch), self.batch.shape[-1]
        return f"{count} image{'s'[: count > 1]} of {size_px} px"


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The main batch and what is run besides."""

    batch: np.ndarray
    further: tuple[Further, ...] = ()


def further_inputs(batch: np.ndarray, precision: str, seed: int, *, other_size: bool = True) -> list[Further]:
    """Return what is run besides `batch`: one image, three, and one of another size.

    In full precision two of the three are one that has a single colour and one of large values, which a
    lower precision need not hold. In int8 there is no other size: files are quantised for one.
    """
    found = []
    if len(batch) != 1:
        found.append(Further(batch[:1], ("the first",), (0,)))
    if precision in FULL:
        edges = np.concatenate([batch[:1], _one_colour(batch[:1]), _large(batch[:1], seed)])
        found.append(
            Further(edges, ("the first", "one of a single colour", "one of large values"), (0, None, None))
        )
    elif len(batch) != 3:
        rows = tuple(index % len(batch) for index in range(3))
        names = ("the first", "the second" if len(batch) > 1 else "the first", "the first")
        if len(batch) > 3:
            names = ("the first", "the second", "the third")
        found.append(Further(batch[list(rows)], names, rows))
    if other_size and precision != "int8":
        size_px = other_size_of(batch.shape[-1])
        noise = np.random.default_rng([seed, size_px]).standard_normal((1, 3, size_px, size_px))
        found.append(Further(noise.astype(np.float32), ("noise",), (None,)))
    return found


def other_size_of(size_px: int) -> int:
    """Return an odd size: a small one, which costs little, or the next where that would leave too little."""
    small = size_px * 7 // 16 | 1
    return small if small >= 65 else size_px + 1 | 1


def _one_colour(image: np.ndarray) -> np.ndarray:
    return np.full_like(image, GREY)


def _large(image: np.ndarray, seed: int) -> np.ndarray:
    """Return an image of patches and of noise, both far beyond what noise reaches."""
    random = np.random.default_rng([seed, image.shape[-1], 1])
    patches = random.standard_normal((*image.shape[:2], 4, 4))
    side = -(-image.shape[-1] // 4)
    spread = patches.repeat(side, 2).repeat(side, 3)[..., : image.shape[-2], : image.shape[-1]]
    return (LARGE * (spread + random.standard_normal(image.shape) / 4)).astype(np.float32)
