"""Top-1 and top-5 of a runner on a folder of labelled images."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from parity.runners import Runner
from reference_models.errors import TriportError
from reference_models.spec import Preprocess, Weights

from .dataset import ImageDataset, Sample
from .preprocess import preprocess_file
from .wilson import wilson_interval

DEFAULT_BATCH_SIZE = 32
TOP = 5

# Called with how many images are done and how many there are.
Progress = Callable[[int, int], None]


class EvaluationError(TriportError):
    """The runner's logits cannot be scored."""


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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accuracy of a model on a data set; `predictions` is empty unless they were asked for."""

    model: str
    runtime: str
    device: str
    images: int
    top1_count: int
    top5_count: int
    seconds: float
    profile: Preprocess
    weights: Weights | None
    predictions: tuple[Prediction, ...]
    class_names: tuple[str, ...]

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

    @property
    def images_per_second(self) -> float:
        """Images over the whole time: decoding, preprocessing and inference."""
        return self.images / self.seconds if self.seconds > 0 else 0.0

    def published(self) -> dict[str, Any] | None:
        """Return the publisher's figure for these weights (its first), None where there is none."""
        if self.weights is None or not self.weights.accuracies:
            return None
        return {"weights": self.weights.name, **asdict(self.weights.accuracies[0])}

    def json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "model": self.model,
            "runtime": self.runtime,
            "device": self.device,
            "images": self.images,
            "top1_percent": self.top1_percent,
            "top5_percent": self.top5_percent,
            "top1_interval_percent": list(self.top1_interval_percent),
            "published": self.published(),
            "images_per_second": self.images_per_second,
            "preprocess": asdict(self.profile),
        }


def evaluate(
    runner: Runner,
    model: str,
    dataset: ImageDataset,
    profile: Preprocess,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    weights: Weights | None = None,
    keep_predictions: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Score `runner` on every image of `dataset`, decoding the next batch while it computes.

    Args:
        runner: a model in any runtime.
        model: its name, for the report.
        dataset: the images; see `ImageDataset.limited` for a part of them.
        profile: how files become inputs.
        batch_size: images in memory at a time, twice.
        weights: the published weights that the model runs with, where it does.
        keep_predictions: keep the best classes of every image.
        progress: called after every batch.

    Raises:
        ImageError: a file cannot be read.
        EvaluationError: logits are not finite, or not one row per image with a value per class.
    """
    counts = np.zeros(2, np.int64)
    predictions: list[Prediction] = []
    done = 0
    start = time.perf_counter()
    for samples, batch in _batches(dataset.samples, profile, batch_size):
        for prediction in _predictions(samples, runner.run(batch), len(dataset.class_names)):
            counts += prediction.top1_correct, prediction.top5_correct
            if keep_predictions:
                predictions.append(prediction)
        done += len(samples)
        if progress is not None:
            progress(done, len(dataset.samples))
    return Evaluation(
        model=model,
        runtime=runner.runtime,
        device=runner.device,
        images=done,
        top1_count=int(counts[0]),
        top5_count=int(counts[1]),
        seconds=time.perf_counter() - start,
        profile=profile,
        weights=weights,
        predictions=tuple(predictions),
        class_names=dataset.class_names,
    )


def _batches(
    samples: Iterable[Sample], profile: Preprocess, batch_size: int
) -> Iterator[tuple[list[Sample], np.ndarray]]:
    """Yield samples and their inputs (N, 3, H, W), in order; one batch ahead is being decoded."""
    source = iter(samples)
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
        waiting: deque[tuple[list[Sample], list[Future[np.ndarray]]]] = deque()
        try:
            while True:
                while len(waiting) < 2 and (group := list(islice(source, batch_size))):
                    futures = [pool.submit(preprocess_file, sample.path, profile) for sample in group]
                    waiting.append((group, futures))
                if not waiting:
                    return
                group, futures = waiting.popleft()
                yield group, np.stack([future.result() for future in futures])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _predictions(samples: list[Sample], logits: np.ndarray, num_classes: int) -> Iterator[Prediction]:
    if logits.shape != (len(samples), num_classes):
        raise EvaluationError(
            f"expected logits ({len(samples)}, {num_classes}) of the data set's classes, found {logits.shape}"
        )
    # equal logits: the lower class first, so that every runtime breaks a tie alike
    order = np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
    for sample, row, best in zip(samples, logits, order, strict=True):
        if not np.isfinite(row).all():
            raise EvaluationError(f"{sample.path}: the model's logits are not finite")
        yield Prediction(sample, tuple(int(index) for index in best), tuple(float(row[i]) for i in best))
