"""Top-1 and top-5 of one network or several on the same decoded images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from triport.converters.identification.published_weights import proof_of
from triport.parity.ranks.rank import Alone, Ranks
from triport.reference_models.spec import Preprocess, Weights

from .batches import MOST_IMAGES
from .blocks import (
    TOP,
    Contender,
    Duplicates,
    EvaluationError,
    Prediction,
    ScoredBlock,
    Scorer,
    predictions_of,
)
from .dataset import ImageDataset
from .rows import RowFile
from .sharding import BlockShape, blocks_of_all, kept_by_all
from .verdict import AccuracyVerdict, verdict_of
from .wilson import wilson_interval

__all__ = ["Contender", "Evaluation", "EvaluationError", "Prediction", "Scoring", "evaluate", "score"]

_ILSVRC_CLASSES = (1000, 1001)

# Called with how many images are done and how many there are, and the images computed a second.
Progress = Callable[[int, int, float], None]
# Called with every block of results.
Listener = Callable[[ScoredBlock], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accuracy of a model on a data set; `predictions` is empty unless they were asked for."""

    model: str
    runtime: str
    device: str
    images: int
    top1_count: int
    top5_count: int
    images_per_second: float
    profile: Preprocess
    weights: Weights | None
    predictions: tuple[Prediction, ...]
    class_names: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    same_images: bool = True
    layout: str = ""
    ranks: int = 1
    notes: tuple[str, ...] = ()
    known_as: str | None = None
    sha256: str | None = None
    profile_assumed: str | None = None
    why_no_figure: str | None = None

    @property
    def precision(self) -> str:
        """What it was computed with."""
        return self.versions.get("precision", "float32")

    @property
    def top1_percent(self) -> float:
        """Share of the images whose best class is right."""
        return 100 * self.top1_count / self.images

    @property
    def top5_percent(self) -> float:
        """Share of the images whose class is among the best five."""
        return 100 * self.top5_count / self.images

    @property
    def top1_interval_percent(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the top-1 accuracy."""
        low, high = wilson_interval(self.top1_count, self.images)
        return 100 * low, 100 * high

    def published(self) -> dict[str, Any] | None:
        """Return the publisher's figure for weights of this name (its first), None where there is none.

        `proof` is how the file is known to be the published one, None where it is not.
        """
        if self.weights is None or not self.weights.accuracies:
            return None
        proof = proof_of(self.weights, self.sha256) if self.sha256 else None
        return {"weights": self.weights.name, **asdict(self.weights.accuracies[0]), "proof": proof}

    def no_figure(self) -> str | None:
        """Return why there is no published figure, None where there is one."""
        if self.weights is not None:
            return None if self.weights.accuracies else f"the publisher of {self.weights.name} states none"
        return self.why_no_figure

    def verdict(self) -> AccuracyVerdict | None:
        """Return how the accuracy stands to the published one, None where there is none."""
        published = self.published()
        if published is None:
            return None
        return verdict_of(
            self.top1_count,
            self.images,
            published["top1_percent"],
            same_images=self.same_images,
            known_as=self.known_as,
        )

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        verdict = self.verdict()
        return {
            "model": self.model,
            "weights_sha256": self.sha256,
            "runtime": self.runtime,
            "device": self.device,
            "images": self.images,
            "top1_percent": self.top1_percent,
            "top5_percent": self.top5_percent,
            "top1_count": self.top1_count,
            "top5_count": self.top5_count,
            "top1_interval_percent": list(self.top1_interval_percent),
            "published": self.published(),
            "no_published_figure": self.no_figure(),
            "verdict": None if verdict is None else verdict.word,
            "verdict_text": None if verdict is None else verdict.text,
            "images_per_second": self.images_per_second,
            "preprocess": asdict(self.profile),
            "preprocess_assumed": self.profile_assumed,
            "layout": self.layout,
            "known_as": self.known_as,
            "notes": list(self.notes),
            "ranks": self.ranks,
            "precision": self.precision,
            "versions": self.versions,
        }


@dataclass(slots=True)
class Tally:
    """How many images one contender has right, by the given labels."""

    contender: int
    labels: np.ndarray
    images: int = 0
    top1_count: int = 0
    top5_count: int = 0

    def add(self, block: ScoredBlock) -> None:
        """Count the next images."""
        labels = self.labels[block.position : block.position + len(block)]
        right = block.classes[:, self.contender] == labels[:, None]
        self.images += len(block)
        self.top1_count += int(right[:, 0].sum())
        self.top5_count += int(right.any(axis=1).sum())


@dataclass(slots=True)
class Keeper:
    """The best classes of every image, by one contender."""

    contender: int
    dataset: ImageDataset
    predictions: list[Prediction] = field(default_factory=list)

    def add(self, block: ScoredBlock) -> None:
        """Keep those of the next images."""
        self.predictions.extend(predictions_of(block, self.dataset, self.contender))


def labels_array(dataset: ImageDataset) -> np.ndarray:
    """Return every image's label, in order."""
    return np.array([sample.label for sample in dataset.samples], np.int32)


@dataclass(frozen=True, slots=True)
class Scoring:
    """How networks are scored.

    Attributes:
        batch_size: images that are run at a time.
        workers: threads that decode, and run the networks too where they share the CPU; as many as there are
            CPUs by default.
        rows: where every image's result is written; what it holds already is not run again.
        ranks: the processes that share the work; every one of them returns the whole result.
        allow_duplicates: let two files with the same bytes count as two images.
        keep_predictions: keep the best classes of every image.
        progress: called after every batch.
    """

    batch_size: int = MOST_IMAGES
    workers: int | None = None
    rows: RowFile | None = None
    ranks: Ranks = field(default_factory=Alone)
    allow_duplicates: bool = False
    keep_predictions: bool = False
    progress: Progress | None = None


def evaluate(
    runner: Scorer,
    model: str,
    dataset: ImageDataset,
    profile: Preprocess,
    *,
    weights: Weights | None = None,
    **options: Any,
) -> Evaluation:
    """Score one network; `options` are those of `Scoring`."""
    return score([Contender(model, runner, profile, weights)], dataset, Scoring(**options))[0]


def score(
    contenders: Sequence[Contender],
    dataset: ImageDataset,
    scoring: Scoring | None = None,
    listeners: Sequence[Listener] = (),
) -> list[Evaluation]:
    """Score networks on every image of `dataset`, decoding the next batches while they compute.

    Args:
        contenders: networks with the data set's outputs, all run on the same decoded images.
        dataset: the images; see `ImageDataset.limited` for a part of them.
        scoring: how it is done.
        listeners: called with every block of results, in the data set's order.

    Raises:
        DatasetError: two files have the same bytes.
        ImageError: a file cannot be read.
        EvaluationError: logits are not finite, or not one row per image with a value per class.
    """
    scoring = scoring or Scoring()
    ranks, rows = scoring.ranks, scoring.rows
    labels = labels_array(dataset)
    tallies = [Tally(index, labels) for index in range(len(contenders))]
    keepers = [Keeper(index, dataset) for index in range(len(contenders))]
    takers: list[Listener] = [] if scoring.allow_duplicates else [Duplicates(dataset).add]
    takers += [*(tally.add for tally in tallies), *listeners]
    takers += [keeper.add for keeper in keepers] if scoring.keep_predictions else []
    total, start, computed = len(dataset.samples), time.perf_counter(), 0
    shape = BlockShape(scoring.batch_size, len(contenders), min(TOP, len(dataset.class_names)))
    for block in kept_by_all(rows.kept() if rows is not None else None, ranks, shape):
        _hand(block, takers)
    done = tallies[0].images
    for block in blocks_of_all(contenders, dataset, done, scoring.workers, ranks, shape):
        _hand(block, takers)
        if rows is not None and ranks.rank == 0:
            rows.append(block)
        computed += len(block)
        if scoring.progress is not None:
            scoring.progress(done + computed, total, computed / (time.perf_counter() - start))
    seconds = time.perf_counter() - start
    speed = computed / seconds if seconds > 0 else 0.0
    return [
        _evaluation(contender, dataset, tally, tuple(keeper.predictions), speed, ranks.size)
        for contender, tally, keeper in zip(contenders, tallies, keepers, strict=True)
    ]


def _hand(block: ScoredBlock, takers: Sequence[Listener]) -> None:
    for take in takers:
        take(block)


def _evaluation(
    contender: Contender,
    dataset: ImageDataset,
    tally: Tally,
    predictions: tuple[Prediction, ...],
    images_per_second: float,
    ranks: int,
) -> Evaluation:
    """Return what one contender's counts come to."""
    return Evaluation(
        model=contender.model,
        runtime=contender.runner.runtime,
        device=contender.runner.device,
        images=tally.images,
        top1_count=tally.top1_count,
        top5_count=tally.top5_count,
        images_per_second=images_per_second,
        profile=contender.profile,
        weights=contender.weights,
        predictions=predictions,
        class_names=dataset.class_names,
        versions=contender.runner.versions(),
        same_images=len(dataset.class_names) not in _ILSVRC_CLASSES or dataset.is_validation_set,
        layout=dataset.layout,
        notes=dataset.notes,
        known_as=dataset.known_as,
        ranks=ranks,
        sha256=contender.sha256,
        profile_assumed=contender.assumed,
        why_no_figure=contender.no_figure,
    )
