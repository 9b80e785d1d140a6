"""What the networks say of one batch of images: the rows that are counted, written and gathered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from triport.parity.batches import logits_of
from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays
from triport.reference_models.spec import Preprocess, Weights

from .dataset import DatasetError, ImageDataset, Sample
from .decoding import DecodedBatch

TOP = 5


class EvaluationError(TriportError):
    """The runner's logits cannot be scored."""


class Scorer(Protocol):
    """What of a runner scores images: a registered model's, or any network's as `any_network` wraps it."""

    runtime: str
    device: str

    def run(self, feed: Arrays) -> dict[str, np.ndarray]:
        """Return the logits of images, under the names that registered models have for both."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        ...


@dataclass(frozen=True, slots=True)
class Contender:
    """A network that is scored: a runner, how files become its inputs, and the published weights it runs.

    `sha256` is that of the file that was given, where one was; `assumed` says what of the profile nothing
    states; `no_figure` why there are no published weights.
    """

    model: str
    runner: Scorer
    profile: Preprocess
    weights: Weights | None = None
    sha256: str | None = None
    assumed: str | None = None
    no_figure: str | None = None


@dataclass(frozen=True, slots=True)
class ScoredBlock:
    """The best classes of consecutive images, by every contender.

    `position` is that of the first image in the data set; `digests` (N, 16) uint8; `classes` (N, contenders,
    5) int32, best first; `logits` of those classes, float32. With fewer than five classes, as many.
    `confidence` (N, contenders) in the best class; None where rows that were written or sent do not have it.
    """

    position: int
    digests: np.ndarray
    classes: np.ndarray
    logits: np.ndarray
    confidence: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.digests)


def block_of(batch: DecodedBatch, contenders: Sequence[Contender], num_classes: int) -> ScoredBlock:
    """Run every contender on a batch.

    Raises:
        EvaluationError: logits are not finite, or not one row per image with a value per class.
    """
    shape = (len(batch.samples), len(contenders), min(TOP, num_classes))
    classes, best = np.empty(shape, np.int32), np.empty(shape, np.float32)
    confidence = np.empty(shape[:2])
    for index, contender in enumerate(contenders):
        logits = logits_of(contender.runner, batch.inputs[contender.profile])
        if logits.shape != (len(batch.samples), num_classes):
            raise EvaluationError(
                f"{contender.model}: expected logits ({len(batch.samples)}, {num_classes}) of the data set's "
                f"classes, found {logits.shape}"
            )
        finite = np.isfinite(logits).all(axis=1)
        if not finite.all():
            raise EvaluationError(
                f"{batch.samples[int(finite.argmin())]}: the model's logits are not finite "
                f"({contender.model} in {contender.runner.runtime})"
            )
        order = best_classes(logits)
        classes[:, index] = order
        best[:, index] = np.take_along_axis(logits, order, axis=1)
        confidence[:, index] = confidence_of(logits)
    return ScoredBlock(batch.position, batch.digests, classes, best, confidence)


def best_classes(logits: np.ndarray) -> np.ndarray:
    """Return the (N, 5) best classes of finite logits, best first; with fewer classes, as many.

    Of equal logits the lower class comes first, so that every runtime breaks a tie alike.
    """
    count = min(TOP, logits.shape[1])
    least = np.partition(logits, -count, axis=1)[:, -count, None]
    rows, classes = np.nonzero(logits >= least)
    if len(rows) != count * len(logits):  # some rows have more than one class at their least
        return np.argsort(-logits, axis=1, kind="stable")[:, :count]
    classes = classes.reshape(-1, count)
    order = np.argsort(-np.take_along_axis(logits, classes, axis=1), axis=1, kind="stable")
    return np.take_along_axis(classes, order, axis=1)


def confidence_of(logits: np.ndarray) -> np.ndarray:
    """Return the network's confidence in each row's best class: the largest of the softmax.

    Rows that are probabilities already, not negative and of sum one, are taken as they are.
    """
    values = logits.astype(np.float64)
    sums = values.sum(axis=1)
    if (values >= 0).all() and np.allclose(sums, 1.0, atol=1e-3):
        found: np.ndarray = values.max(axis=1)
        return found
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    found = 1.0 / shifted.sum(axis=1)
    return found


class Duplicates:
    """Finds images with the bytes of another one."""

    def __init__(self, dataset: ImageDataset) -> None:
        """Know the names of the images of `dataset`."""
        self._samples = dataset.samples
        self._seen: dict[bytes, int] = {}

    def add(self, block: ScoredBlock) -> None:
        """Take in the next images.

        Raises:
            DatasetError: one has been seen before.
        """
        for offset, digest in enumerate(block.digests):
            position = block.position + offset
            first = self._seen.setdefault(digest.tobytes(), position)
            if first != position:
                raise DatasetError(
                    f"{self._samples[position]} has the same bytes as {self._samples[first]}: one image "
                    "would count twice. Remove it, or use --allow-duplicates"
                )


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one image: its best classes, best first (five, or all of fewer)."""

    sample: Sample
    top5: tuple[int, ...]
    logits: tuple[float, ...]

    @property
    def top1_correct(self) -> bool:
        """Whether the best class is the image's."""
        return self.top5[0] == self.sample.label

    @property
    def top5_correct(self) -> bool:
        """Whether the image's class is among the five best."""
        return self.sample.label in self.top5


def predictions_of(block: ScoredBlock, dataset: ImageDataset, contender: int = 0) -> Iterator[Prediction]:
    """Yield what one contender says of each image of a block."""
    for offset, (classes, logits) in enumerate(
        zip(block.classes[:, contender].tolist(), block.logits[:, contender].tolist(), strict=True)
    ):
        yield Prediction(dataset.samples[block.position + offset], tuple(classes), tuple(logits))
