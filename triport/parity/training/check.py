"""Do both frameworks train the same? Judged, as everywhere, against PyTorch in float64 and its own noise.

A gradient has kinks: where the input of a ReLU is within rounding of zero, float32 may fall on the other
side, and the gradient of its whole layer changes by that position's share. That is a chance of the batch, not
a fault of the network, and neither tolerance nor noise can tell it. A fault is there on every batch: so
each gradient is judged on a few batches, by the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from triport.converters.onnx_model import INPUT
from triport.parity.batches import random_batch
from triport.parity.noise import nudged_feeds
from triport.parity.spool import Spool
from triport.reference_models.spec import ModelSpec

from .recipe import Recipe
from .steps import Runs, Steps
from .tensors import TensorResult, Values, result_of
from .trainers.mindspore import MindSporeTrainer
from .trainers.pytorch import PyTorchTrainer

BATCHES = 3
# A gradient that is zero but for rounding (of a shift that the next BatchNorm takes out) is judged by the
# scale of the others.
_NEGLIGIBLE = 1e-5

Progress = Callable[[str], None]
_TRAINERS = {"pytorch": PyTorchTrainer, "mindspore": MindSporeTrainer}


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a framework updates BatchNorm's statistics.

    `momentum` is the weight of the new batch, as measured; `variance` is "unbiased" (of n - 1),
    "biased" (of n) or "neither". A network without BatchNorm has no results and a momentum of NaN.
    """

    results: tuple[TensorResult, ...]
    momentum: float
    variance: str

    @property
    def passed(self) -> bool:
        """Whether every statistic is the reference's."""
        return all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A framework's training beside the reference's."""

    candidate: str
    device: str
    loss: TensorResult
    gradients: tuple[TensorResult, ...]
    statistics: Statistics
    steps: Steps | None
    versions: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether all of it is within tolerance."""
        steps = self.steps is None or self.steps.passed
        gradients = all(gradient.passed for gradient in self.gradients)
        return self.loss.passed and gradients and self.statistics.passed and steps


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The verdict on a model's training."""

    model: str
    weights: str
    input_shape: tuple[int, ...]
    recipe: Recipe
    seed: int
    pairs: tuple[TrainingPair, ...]

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)


def check_training(
    spec: ModelSpec,
    parameters: Values,
    batch_size: int = 4,
    size_px: int | None = None,
    *,
    num_classes: int | None = None,
    runtimes: tuple[str, ...] = ("pytorch", "mindspore"),
    device: str = "cpu",
    weights: str = "random seed 0",
    seed: int = 0,
    steps: int = 0,
    recipe: Recipe = Recipe(),  # noqa: B008  frozen
    progress: Progress = lambda step: None,
) -> TrainingReport:
    """Compare loss, gradients, BatchNorm statistics and, if asked for, `steps` steps of SGD.

    Args:
        spec: the model.
        parameters: values by canonical name; they are not changed.
        batch_size: images per batch.
        size_px: their size; the model's own by default.
        num_classes: outputs; the model's own by default.
        runtimes: "pytorch", "mindspore" or both.
        device: of the candidates.
        weights: what the report says about the parameters.
        seed: of images and labels.
        steps: how many steps of SGD to compare; 0 is none.
        recipe: loss and optimizer.
        progress: is told each step.

    Raises:
        TriportError: a framework or the device is missing, or the parameters do not fit.
    """
    classes = spec.num_classes if num_classes is None else num_classes

    def data(run: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return batches and labels; the gradients are of the first run's."""
        numbers = range(run * BATCHES, (run + 1) * BATCHES)
        batches = [random_batch(spec, batch_size, [seed, number], size_px) for number in numbers]
        random = np.random.default_rng([seed, run + (1 << 16)])
        return batches, random.integers(0, classes, (BATCHES, batch_size))

    def pytorch(dtype: str = "float32") -> PyTorchTrainer:
        return PyTorchTrainer(spec, classes, parameters, recipe, dtype=dtype)  # type: ignore[arg-type]

    batches, labels = data(0)
    progress("gradients of pytorch-float64")
    exact = pytorch("float64")
    reference = _Pass(exact, batches, labels, on_disk=True)
    samples = exact.samples
    del exact
    progress("noise of float32 gradients")
    noise = _Noise(_Pass(pytorch(), nudged, labels) for nudged in _nudged(batches, seed))
    recipe = _stepping(recipe, reference.gradients[0], parameters)
    runs = Runs(pytorch, data, parameters, steps, seed)
    pairs = []
    for runtime in runtimes:

        def candidate(runtime: str = runtime) -> PyTorchTrainer | MindSporeTrainer:
            return _TRAINERS[runtime](spec, classes, parameters, recipe, device)

        def tell(what: str, runtime: str = runtime) -> None:
            progress(f"{steps} steps of {runtime}, {what}")

        progress(f"gradients of {runtime}")
        trainer = candidate()
        found = _Pass(trainer, batches, labels)
        pair = TrainingPair(
            runtime,
            trainer.device,
            _loss(found, reference, noise),
            _gradients(found, reference, noise),
            _statistics(found, reference, noise, parameters, samples),
            None,
            trainer.versions(),
        )
        del trainer, found  # before the next is made
        pairs.append(replace(pair, steps=runs.compare(candidate, tell)) if steps else pair)
    return TrainingReport(spec.name, weights, batches[0].shape, recipe, seed, tuple(pairs))


def _stepping(recipe: Recipe, gradients: Values, parameters: Values) -> Recipe:
    """Return the recipe with a learning rate."""
    if recipe.learning_rate:
        return recipe
    weights, gradient = (
        np.sqrt(sum(np.square(np.asarray(values[name], np.float64)).sum() for name in gradients))
        for values in (parameters, gradients)
    )
    rate = float(recipe.first_step * weights / gradient)
    return replace(recipe, learning_rate=rate if np.isfinite(rate) else recipe.first_step)


class _Pass:
    """What one trainer computes on every batch, from the weights that it was made with."""

    def __init__(
        self,
        trainer: PyTorchTrainer | MindSporeTrainer,
        batches: Sequence,
        labels: np.ndarray,
        *,
        on_disk: bool = False,
    ) -> None:
        self.losses: list[float] = []
        self.gradients: list[Values] = []
        for index, batch in enumerate(batches):
            loss, gradients = trainer.gradients(batch, labels[index])
            self.losses.append(loss)
            self.gradients.append(Spool(gradients) if on_disk else gradients)
            if index == 0:
                self.values = trainer.values()


class _Noise:
    """How far passes that differ by roundings are from the first; one is in memory beside it."""

    def __init__(self, passes: Iterator[_Pass]) -> None:
        first = next(passes)
        self.loss = 0.0
        self.gradients = {(index, name): 0.0 for index, found in enumerate(first.gradients) for name in found}
        self.values = dict.fromkeys(first.values, 0.0)
        for other in passes:
            self.loss = max(self.loss, _distance(np.array(other.losses), np.array(first.losses)))
            for index, name in self.gradients:
                distance = _distance(other.gradients[index][name], first.gradients[index][name])
                self.gradients[index, name] = max(self.gradients[index, name], distance)
            for name in self.values:
                self.values[name] = max(self.values[name], _distance(other.values[name], first.values[name]))


def _nudged(batches: list[np.ndarray], seed: int) -> list[tuple[np.ndarray, ...]]:
    """Return the draws: every batch moved by one rounding, each draw otherwise."""
    moved = [[moved[INPUT] for moved, _ in nudged_feeds({INPUT: batch}, seed)] for batch in batches]
    return list(zip(*moved, strict=True))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b|; infinite where it is no number."""
    found = float(np.abs(np.asarray(a, np.float64) - b).max(initial=0.0))
    return found if np.isfinite(found) else np.inf


def _loss(found: _Pass, reference: _Pass, noise: _Noise) -> TensorResult:
    scale = float(np.abs(reference.losses).max())
    error = _distance(np.array(found.losses), np.array(reference.losses))
    return result_of("loss", error / scale, noise.loss / scale)


def _gradients(found: _Pass, reference: _Pass, noise: _Noise) -> tuple[TensorResult, ...]:
    results = []
    largest = [max(float(np.abs(g).max()) for g in gradients.values()) for gradients in reference.gradients]
    for name in reference.gradients[0]:
        best: TensorResult | None = None
        for index, exact in enumerate(reference.gradients):
            scale = max(float(np.abs(exact[name]).max()), _NEGLIGIBLE * largest[index])
            error = _distance(found.gradients[index][name], exact[name])
            result = result_of(name, error / scale, noise.gradients[index, name] / scale)
            if best is None or result.error / result.tolerance < best.error / best.tolerance:
                best = result
        assert best is not None
        results.append(best)
    return tuple(results)


def _statistics(
    found: _Pass, reference: _Pass, noise: _Noise, before: Values, samples: Mapping[str, int]
) -> Statistics:
    """Compare the updated statistics; say with which momentum and which variance they were made."""
    results, momenta, unbiased, biased = [], [], 0, 0
    for path, count in samples.items():
        for leaf in ("running_mean", "running_var"):
            name = f"{path}.{leaf}"
            exact, given = reference.values[name], found.values[name]
            scale = float(np.abs(exact).max())
            results.append(result_of(name, _distance(given, exact) / scale, noise.values[name] / scale))
        mean = f"{path}.running_mean"
        moved = reference.values[mean] - before[mean]
        at = int(np.abs(moved).argmax())  # where the batch moved it most, rounding matters least
        momenta.append(0.1 * float((found.values[mean][at] - before[mean][at]) / moved[at]))
        variance = f"{path}.running_var"
        kept = 0.9 * np.asarray(before[variance], np.float64)
        new = reference.values[variance] - kept
        given = found.values[variance] - kept
        to_unbiased, to_biased = _distance(given, new), _distance(given, new * (count - 1) / count)
        unbiased += to_unbiased < to_biased
        biased += to_biased < to_unbiased
    if not results:
        return Statistics((), np.nan, "neither")
    variance = "unbiased" if not biased else "biased" if not unbiased else "neither"
    return Statistics(tuple(results), float(np.median(momenta)), variance)
