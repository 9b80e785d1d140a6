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
from triport.parity.judge.difference import distance, relative
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


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What of a training is compared, and where.

    `batch_size` is images per batch, `size_px` their size and `num_classes` the outputs, the model's own by
    default; `runtimes` are "pytorch", "mindspore" or both, on `device`; `steps` is how many steps of SGD are
    compared, 0 is none; `seed` is of images and labels; `weights` is what the report says of the parameters.
    """

    batch_size: int = 4
    size_px: int | None = None
    num_classes: int | None = None
    runtimes: tuple[str, ...] = ("pytorch", "mindspore")
    device: str = "cpu"
    weights: str = "random seed 0"
    seed: int = 0
    steps: int = 0
    recipe: Recipe = Recipe()  # noqa: RUF009  frozen


def check_training(
    spec: ModelSpec,
    parameters: Values,
    options: TrainingOptions = TrainingOptions(),
    progress: Progress = lambda step: None,
) -> TrainingReport:
    """Compare loss, gradients, BatchNorm statistics and, if asked for, steps of SGD.

    Args:
        spec: the model.
        parameters: values by canonical name; they are not changed.
        options: what is compared.
        progress: is told each step.

    Raises:
        TriportError: a framework or the device is missing, or the parameters do not fit.
    """
    course = _Course(spec, parameters, options)
    batches, labels = course.data(0)
    progress("gradients of pytorch-float64")
    exact = course.pytorch("float64")
    reference = _Pass(exact, batches, labels, on_disk=True)
    samples = exact.samples
    del exact
    progress("noise of float32 gradients")
    noise = _Noise(_Pass(course.pytorch(), nudged, labels) for nudged in _nudged(batches, options.seed))
    recipe = _stepping(options.recipe, reference.gradients[0], parameters)
    course = replace(course, options=replace(options, recipe=recipe))
    runs = Runs(course.pytorch, course.data, parameters, options.steps, options.seed)
    pairs = []
    for runtime in options.runtimes:
        progress(f"gradients of {runtime}")
        trainer = course.candidate(runtime)
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
        pairs.append(_with_steps(pair, course, runs, progress) if options.steps else pair)
    return TrainingReport(spec.name, options.weights, batches[0].shape, recipe, options.seed, tuple(pairs))


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """What every trainer is made of, and what it is trained on."""

    spec: ModelSpec
    parameters: Values
    options: TrainingOptions

    @property
    def classes(self) -> int:
        """How many outputs the network has."""
        asked = self.options.num_classes
        return self.spec.num_classes if asked is None else asked

    def data(self, run: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return a run's batches and labels; the gradients are of the first run's."""
        options = self.options
        numbers = range(run * BATCHES, (run + 1) * BATCHES)
        batches = [
            random_batch(self.spec, options.batch_size, [options.seed, number], options.size_px)
            for number in numbers
        ]
        random = np.random.default_rng([options.seed, run + (1 << 16)])
        return batches, random.integers(0, self.classes, (BATCHES, options.batch_size))

    def pytorch(self, dtype: str = "float32") -> PyTorchTrainer:
        """Make a trainer that tells what is right, or how noisy it is."""
        return PyTorchTrainer(
            self.spec,
            self.classes,
            self.parameters,
            self.options.recipe,
            dtype=dtype,  # type: ignore[arg-type]
        )

    def candidate(self, runtime: str) -> PyTorchTrainer | MindSporeTrainer:
        """Make a trainer that is judged."""
        return _TRAINERS[runtime](
            self.spec, self.classes, self.parameters, self.options.recipe, self.options.device
        )


def _with_steps(pair: TrainingPair, course: _Course, runs: Runs, progress: Progress) -> TrainingPair:
    """Return the pair with its steps of SGD beside the reference's."""
    runtime, count = pair.candidate, course.options.steps
    steps = runs.compare(
        lambda: course.candidate(runtime), lambda what: progress(f"{count} steps of {runtime}, {what}")
    )
    return replace(pair, steps=steps)


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
    return relative(distance(a, b), 1.0)


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
