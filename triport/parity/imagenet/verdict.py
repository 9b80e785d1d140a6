"""Is a measured accuracy the published one? Equal, lower by so much, or too few images to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triport.reference_models.errors import counted

from .wilson import wilson_interval

# A sample whose interval reaches further than this from its figure cannot show that two are equal.
EQUAL_WITHIN_POINTS = 0.5


@dataclass(frozen=True, slots=True)
class AccuracyVerdict:
    """`word` of a measured top-1 beside the published one; `text` says it with figures."""

    word: Literal["equal", "lower", "higher", "cannot tell", "other images"]
    text: str


def verdict_of(
    correct: int, images: int, published_percent: float, *, same_images: bool, known_as: str | None = None
) -> AccuracyVerdict:
    """Judge `correct` of `images` by the 95 % Wilson interval.

    `same_images` says that they are of the set that the published figure was measured on; `known_as` which
    other set they are.
    """
    if not same_images:
        others = "other images" if known_as is None else f"{known_as}'s"
        return AccuracyVerdict(
            "other images",
            f"not judged: the published figure is of ILSVRC-2012's validation set, and these are {others}",
        )
    low, high = (100 * value for value in wilson_interval(correct, images))
    measured = 100 * correct / images
    interval = f"95 % interval {low:.2f} to {high:.2f}"
    difference = measured - published_percent
    away = sorted(abs(end - published_percent) for end in (low, high))
    if high < published_percent:
        return AccuracyVerdict(
            "lower",
            f"lower by {-difference:.2f} points ({away[0]:.2f} to {away[1]:.2f})",
        )
    if low > published_percent:
        return AccuracyVerdict(
            "higher",
            f"higher by {difference:.2f} points ({away[0]:.2f} to {away[1]:.2f})",
        )
    if max(high - measured, measured - low) > EQUAL_WITHIN_POINTS:
        same = "the figure is the same, but " if abs(difference) < 0.005 else ""
        return AccuracyVerdict(
            "cannot tell",
            f"not decided: {same}with {counted(images, 'image')} the accuracy may be anywhere from {low:.2f} "
            f"to {high:.2f} % (95 % interval)",
        )
    return AccuracyVerdict("equal", f"equal: {published_percent:.2f} is within the {interval}")
