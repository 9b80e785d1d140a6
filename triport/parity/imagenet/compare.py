"""One network under several preprocessings and labellings: which of them was it made for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .blocks import Contender, ScoredBlock
from .dataset import ImageDataset
from .evaluate import Evaluation, Scoring, Tally, labels_array, score
from .pair import SIGNIFICANT, mcnemar_exact
from .profiles import variants_of


@dataclass(frozen=True, slots=True)
class Alternative:
    """How the network scores otherwise; `p_value` is McNemar's, against the data as they were stated."""

    name: str
    culprit: str
    top1_percent: float
    top5_percent: float
    gained: int
    lost: int
    same_top1: int

    @property
    def p_value(self) -> float:
        """McNemar's exact p-value of the difference in top-1."""
        return mcnemar_exact(self.lost, self.gained)


@dataclass(frozen=True, slots=True)
class PreprocessingComparison:
    """The stated way first, then the others, and what the figures point to."""

    stated: Evaluation
    alternatives: tuple[Alternative, ...]

    @property
    def culprit(self) -> Alternative | None:
        """The best alternative, if it is better than the stated way by more than chance.

        The level is divided by the number of alternatives that were tried.
        """
        better = [
            found
            for found in self.alternatives[1:]
            if found.gained > found.lost and found.p_value * len(self.alternatives) < SIGNIFICANT
        ]
        return max(better, key=lambda found: (found.top1_percent, found.top5_percent), default=None)

    def verdict(self) -> str:
        """Return what the figures point to, in a sentence."""
        if self.culprit is None:
            return "The stated preprocessing and labels: nothing else scores better by more than chance."
        return (
            f"Likely culprit: the {self.culprit.culprit}. With {self.culprit.name} top-1 is "
            f"{self.culprit.top1_percent:.2f} % instead of {self.stated.top1_percent:.2f} %."
        )

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints beside the evaluation."""
        return {
            **self.stated.json(),
            "alternatives": [
                {
                    "name": found.name,
                    "differs_in": found.culprit,
                    "top1_percent": found.top1_percent,
                    "top5_percent": found.top5_percent,
                    "gained": found.gained,
                    "lost": found.lost,
                    "same_top1": found.same_top1,
                    "mcnemar_p": found.p_value,
                }
                for found in self.alternatives
            ],
            "culprit": None if self.culprit is None else self.culprit.culprit,
            "culprit_name": None if self.culprit is None else self.culprit.name,
        }


@dataclass(slots=True)
class _Against:
    """Counts one alternative beside the stated way."""

    tally: Tally
    stated: Tally
    gained: int = 0
    lost: int = 0
    same: int = 0

    def add(self, block: ScoredBlock) -> None:
        cut = slice(block.position, block.position + len(block))
        before, after = (block.classes[:, tally.contender, 0] for tally in (self.stated, self.tally))
        was, now = before == self.stated.labels[cut], after == self.tally.labels[cut]
        self.gained += int((now & ~was).sum())
        self.lost += int((was & ~now).sum())
        self.same += int((before == after).sum())
        self.tally.add(block)


@dataclass(frozen=True, slots=True, eq=False)
class Labelling:
    """Labels that differ from the stated ones as mistakes do."""

    name: str
    labels: np.ndarray


def labellings_of(dataset: ImageDataset) -> list[Labelling]:
    """Return labels shifted by one either way, and numbered by the order of the classes found."""
    labels = labels_array(dataset)
    found = [Labelling("labels + 1", labels + 1), Labelling("labels - 1", labels - 1)]
    present, order = np.unique(labels, return_inverse=True)
    if len(present) < len(dataset.class_names):
        found.append(Labelling("classes numbered in the order found", order.astype(np.int32)))
    return found


def compare_preprocessing(
    contender: Contender, dataset: ImageDataset, scoring: Scoring | None = None
) -> PreprocessingComparison:
    """Score a network as stated and in every other way that mistakes make, decoding every image once."""
    variants = variants_of(contender.profile)
    contenders = [replace(contender, profile=variant.profile) for variant in variants]
    labels = labels_array(dataset)
    stated = Tally(0, labels)
    names = [(variant.name, variant.culprit) for variant in variants]
    counts = [_Against(Tally(index, labels), stated) for index in range(len(variants))]
    for labelling in labellings_of(dataset):
        names.append((labelling.name, "numbering of the classes"))
        counts.append(_Against(Tally(0, labelling.labels), stated))
    evaluations = score(contenders, dataset, scoring, [count.add for count in counts])
    return PreprocessingComparison(evaluations[0], tuple(_alternatives(names, counts)))


def _alternatives(names: Sequence[tuple[str, str]], counts: Sequence[_Against]) -> Sequence[Alternative]:
    return [
        Alternative(
            name,
            culprit,
            100 * count.tally.top1_count / count.tally.images,
            100 * count.tally.top5_count / count.tally.images,
            count.gained,
            count.lost,
            count.same,
        )
        for (name, culprit), count in zip(names, counts, strict=True)
    ]
