"""What one network gets wrong on labelled images: confusions, the worst images, and its calibration."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from .blocks import ScoredBlock
from .dataset import ImageDataset

BINS = 10
KEPT = 200


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image whose best class is wrong; `confidence` is the network's in it, None where not known."""

    position: int
    label: int
    best: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """The images in whose best class the network's confidence lies between `low` and `high`."""

    low: float
    high: float
    images: int
    right: int
    mean_confidence: float

    @property
    def right_percent(self) -> float:
        """Share of them whose best class is right."""
        return 100 * self.right / self.images if self.images else 0.0


@dataclass(slots=True)
class Mistakes:
    """Counts the mistakes of the first contender, block by block.

    `known` is for how many images the confidence is known: rows that an earlier run or another process wrote
    do not have it.
    """

    dataset: ImageDataset
    images: int = 0
    known: int = 0
    wrong: int = 0
    confusions: Counter[tuple[int, int]] = field(default_factory=Counter)
    _worst: list[tuple[float, int, int, int, float | None]] = field(default_factory=list)
    _counts: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS)))

    def add(self, block: ScoredBlock) -> None:
        """Take in the next images."""
        samples = self.dataset.samples[block.position : block.position + len(block)]
        labels = np.array([sample.label for sample in samples])
        best = block.classes[:, 0, 0]
        right = best == labels
        confidence = block.confidence[:, 0] if block.confidence is not None else None
        self.images += len(block)
        self.wrong += int((~right).sum())
        if confidence is not None:
            self.known += len(block)
            places = np.minimum((confidence * BINS).astype(int), BINS - 1)
            for row, values in enumerate((np.ones(len(block)), right, confidence)):
                np.add.at(self._counts[row], places, values)
        for offset in np.flatnonzero(~right).tolist():
            self.confusions[int(labels[offset]), int(best[offset])] += 1
            sure = float(confidence[offset]) if confidence is not None else None
            logits = block.logits[offset, 0]
            # where the confidence is not known, by how far the best class is ahead of the next
            ahead = sure if sure is not None else float(logits[0] - logits[1]) if len(logits) > 1 else 0.0
            at = block.position + offset
            heapq.heappush(self._worst, (ahead, -at, int(labels[offset]), int(best[offset]), sure))
            if len(self._worst) > KEPT:
                heapq.heappop(self._worst)

    def worst(self) -> list[WorstImage]:
        """Return the images that it is surest of and has wrong, the surest first."""
        return [
            WorstImage(-at, label, best, sure)
            for _, at, label, best, sure in sorted(self._worst, reverse=True)
        ]

    def bins(self) -> list[Bin]:
        """Return the images by the network's confidence in its best class, the least first."""
        images, right, sums = self._counts
        return [
            Bin(index / BINS, (index + 1) / BINS, int(n), int(r), float(total / n) if n else 0.0)
            for index, (n, r, total) in enumerate(zip(images, right, sums, strict=True))
        ]

    @property
    def calibration_error_percent(self) -> float | None:
        """By how much confidence and accuracy differ, in points: the mean over the bins, by their images.

        Source: Guo et al., On Calibration of Modern Neural Networks (2017), expected calibration error.
        """
        if not self.known:
            return None
        images, right, sums = self._counts
        return float(100 * np.abs(right - sums).sum() / images.sum())
