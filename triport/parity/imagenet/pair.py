"""Two networks on the same images: where they agree, who gains by the flips, and whether that is chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .blocks import ScoredBlock
from .dataset import ImageDataset, printable
from .wilson import Z_95

SIGNIFICANT = 0.05


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided exact p-value of McNemar's test.

    Of the images that one network gets right and the other wrong, were both equally good, each
    would be A's or B's with probability one half: the binomial distribution decides.
    """
    discordant, fewer = only_a + only_b, min(only_a, only_b)
    total = ways = 1
    for k in range(fewer):
        ways = ways * (discordant - k) // (k + 1)
        total += ways
    # both are integers, however large: the quotient is exact to a float's rounding
    return min(1.0, 2 * total / 2**discordant)


def difference_interval(only_a: int, only_b: int, images: int) -> tuple[float, float]:
    """Return the 95 % interval of B's accuracy minus A's, as fractions, from images that both have scored.

    Source: Agresti and Min, Statistics in Medicine 24 (2005) 729: Wald's interval after half an image is
    added to each of the four kinds (both right, only A, only B, none).
    """
    total = images + 2
    difference = (only_b - only_a) / total
    spread = (only_a + only_b + 1) / total - difference * difference
    half = Z_95 * math.sqrt(spread / total)
    return max(-1.0, difference - half), min(1.0, difference + half)


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How a pair does on the images of one class."""

    label: int
    images: int
    a_right: int
    b_right: int
    only_a: int
    only_b: int

    @property
    def p_value(self) -> float:
        """McNemar's exact p-value, on the class's images alone."""
        return mcnemar_exact(self.only_a, self.only_b)


@dataclass(frozen=True, slots=True)
class Flip:
    """An image whose best class differs between the two: its position, label, and both best classes."""

    position: int
    label: int
    a: int
    b: int

    @property
    def kind(self) -> str:
        """Return "lost" (A right, B wrong), "won" (B right) or "moved" (both wrong)."""
        return "lost" if self.a == self.label else "won" if self.b == self.label else "moved"


@dataclass(slots=True)
class PairTally:
    """Counts of two contenders' agreement, image by image.

    `places` is how many best classes of an image are known, at the most five; `logits_known` whether their
    logits are. `right` (3, classes): the images of each class, and how many A and B have right.
    """

    dataset: ImageDataset
    contenders: tuple[int, int] = (0, 1)
    images: int = 0
    same_top1: int = 0
    same_top5: int = 0
    flips: list[Flip] = field(default_factory=list)
    largest_difference: float = 0.0
    largest_logit: float = 0.0
    places: int = 0
    logits_known: bool = False
    right: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no image of any class."""
        self.right = np.zeros((3, len(self.dataset.class_names)), np.int64)

    def add(self, block: ScoredBlock) -> None:
        """Take in the next images."""
        a, b = (block.classes[:, contender] for contender in self.contenders)
        self.images += len(block)
        self.places = a.shape[1]
        same = a[:, 0] == b[:, 0]
        order = (a == b).all(axis=1)
        self.same_top1 += int(same.sum())
        self.same_top5 += int(order.sum())
        x, y = (block.logits[:, contender] for contender in self.contenders)
        self.logits_known = not (np.isnan(x).any() or np.isnan(y).any())
        if self.logits_known:
            self.largest_difference = max(
                self.largest_difference, float(np.abs(x - y)[order].max(initial=0.0))
            )
            self.largest_logit = max(self.largest_logit, float(np.abs(x).max()))
        labels = np.array(
            [sample.label for sample in self.dataset.samples[block.position : block.position + len(block)]]
        )
        for row, counted in enumerate((labels == labels, a[:, 0] == labels, b[:, 0] == labels)):
            self.right[row] += np.bincount(labels[counted], minlength=self.right.shape[1])
        for offset in np.flatnonzero(~same).tolist():
            position = block.position + offset
            label = self.dataset.samples[position].label
            self.flips.append(Flip(position, label, int(a[offset, 0]), int(b[offset, 0])))

    @property
    def only_a(self) -> int:
        """Images that A alone gets right."""
        return sum(flip.kind == "lost" for flip in self.flips)

    @property
    def only_b(self) -> int:
        """Images that B alone gets right."""
        return sum(flip.kind == "won" for flip in self.flips)

    @property
    def p_value(self) -> float:
        """McNemar's exact p-value."""
        return mcnemar_exact(self.only_a, self.only_b)

    @property
    def equal(self) -> bool:
        """Whether the flips can be chance."""
        return self.p_value >= SIGNIFICANT

    @property
    def difference_percent(self) -> float:
        """B's top-1 accuracy minus A's, in points."""
        return 100 * (self.only_b - self.only_a) / self.images

    @property
    def difference_interval_percent(self) -> tuple[float, float]:
        """The 95 % interval of that difference, in points."""
        low, high = difference_interval(self.only_a, self.only_b, self.images)
        return 100 * low, 100 * high

    @property
    def compares_logits(self) -> bool:
        """Whether there are images with the same best classes, and their logits are known."""
        return self.logits_known and self.same_top5 > 0

    def classes(self) -> list[ClassCount]:
        """Return the classes on which one network is better, the largest difference first."""
        kinds: dict[int, list[str]] = {}
        for flip in self.flips:
            kinds.setdefault(flip.label, []).append(flip.kind)
        found = [
            ClassCount(
                label,
                int(self.right[0, label]),
                int(self.right[1, label]),
                int(self.right[2, label]),
                flips.count("lost"),
                flips.count("won"),
            )
            for label, flips in kinds.items()
        ]
        found = [one for one in found if one.only_a != one.only_b]
        return sorted(found, key=lambda one: (-abs(one.only_a - one.only_b), one.p_value, one.label))

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints of a pair."""
        names = self.dataset.class_names
        return {
            "images": self.images,
            "same_top1": self.same_top1,
            "same_top5": self.same_top5 if self.places > 1 else None,
            "agreement_percent": 100 * self.same_top1 / self.images,
            "only_a_right": self.only_a,
            "only_b_right": self.only_b,
            "both_wrong_differently": len(self.flips) - self.only_a - self.only_b,
            "mcnemar_p": self.p_value,
            "equal": self.equal,
            "difference_percent": self.difference_percent,
            "difference_interval_percent": list(self.difference_interval_percent),
            # of the images with the same five best classes: of others there is none to state
            "max_abs": self.largest_difference if self.compares_logits else None,
            "max_rel": self.largest_difference / (self.largest_logit or 1.0)
            if self.compares_logits
            else None,
            "classes": [
                {
                    "class": names[one.label],
                    "images": one.images,
                    "a_right": one.a_right,
                    "b_right": one.b_right,
                    "only_a_right": one.only_a,
                    "only_b_right": one.only_b,
                    "mcnemar_p": one.p_value,
                }
                for one in self.classes()
            ],
            "flips": [
                {
                    "image": printable(self.dataset.samples[flip.position].name),
                    "class": names[flip.label],
                    "a": names[flip.a],
                    "b": names[flip.b],
                    "kind": flip.kind,
                }
                for flip in self.flips
            ],
        }
