"""Two networks on the same images: where they agree, who gains by the flips, and whether that is chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .blocks import Block
from .dataset import ImageDataset, printable

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
    """Counts of two contenders' agreement, image by image."""

    dataset: ImageDataset
    contenders: tuple[int, int] = (0, 1)
    images: int = 0
    same_top1: int = 0
    same_top5: int = 0
    flips: list[Flip] = field(default_factory=list)
    largest_difference: float = 0.0
    largest_logit: float = 0.0

    def add(self, block: Block) -> None:
        """Take in the next images."""
        a, b = (block.classes[:, contender] for contender in self.contenders)
        self.images += len(block)
        same = a[:, 0] == b[:, 0]
        order = (a == b).all(axis=1)
        self.same_top1 += int(same.sum())
        self.same_top5 += int(order.sum())
        x, y = (block.logits[:, contender] for contender in self.contenders)
        if order.any():
            self.largest_difference = max(self.largest_difference, float(np.abs(x - y)[order].max()))
        self.largest_logit = max(self.largest_logit, float(np.abs(x).max()))
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

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints of a pair."""
        names = self.dataset.class_names
        return {
            "images": self.images,
            "same_top1": self.same_top1,
            "same_top5": self.same_top5,
            "agreement_percent": 100 * self.same_top1 / self.images,
            "only_a_right": self.only_a,
            "only_b_right": self.only_b,
            "both_wrong_differently": len(self.flips) - self.only_a - self.only_b,
            "mcnemar_p": self.p_value,
            "equal": self.equal,
            # of the images with the same five best classes: of others there is none to state
            "max_abs": self.largest_difference if self.same_top5 else None,
            "max_rel": self.largest_difference / (self.largest_logit or 1.0) if self.same_top5 else None,
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
