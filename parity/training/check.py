"""Do both frameworks train the same? Judged, as everywhere, against PyTorch in float64 and its own noise.

A gradient has kinks: where the input of a ReLU is within rounding of zero, float32 may fall on the other
side, and the gradient of its whole layer changes by that position's share. That is a chance of the batch, not
a fault of the network, and neither tolerance nor noise can tell it. A fault is there on every batch: so
each gradient is judged on a few batches, by the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.batches import random_batch
from parity.noise import FLOOR_ROUNDINGS, NOISE_FACTOR, ROUNDING, nudged_batches
from parity.runners.mindspore_training import MindSporeTrainer
from parity.runners.pytorch_training import PyTorchTrainer
from reference_models.spec import ModelSpec

from .recipe import Recipe

BATCHES = 3
# A sum over a batch of products of sums: rounding errors of a gradient add up over forward and backward.
_FLOOR = 4 * FLOOR_ROUNDINGS * ROUNDING["float32"]
# A gradient that is zero but for rounding (of a shift that the next BatchNorm takes out) is judged by the
# scale of the others.
_NEGLIGIBLE = 1e-5

Values = Mapping[str, np.ndarray]
Progress = Callable[[str], None]
_TRAINERS = {"pytorch": PyTorchTrainer, "mindspore": MindSporeTrainer}


@dataclass(frozen=True, slots=True)
class TensorResult:
    """A tensor beside the reference's, relative to the largest value of the reference's."""

    name: str
    error: float
    noise: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance."""
        return self.error <= self.tolerance


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a framework updates BatchNorm's statistics.

    `momentum` is the weight of the new batch, as measured; `variance` is "unbiased" (of n - 1),
    "biased" (of n) or "neither".
    """

    results: tuple[TensorResult, ...]
    momentum: float
    variance: str

    @property
    def passed(self) -> bool:
        """Whether every statistic is the reference's."""
        return all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True)
class Steps:
    """K steps of SGD: the loss at each, and the weights and statistics after the last.

    `loss` are the candidate's, `reference_loss` the reference's, `loss_drift` how far float32 runs that
    differ by one rounding are from each other, at each step, all absolute.
    """

    loss: tuple[float, ...]
    reference_loss: tuple[float, ...]
    loss_drift: tuple[float, ...]
    weights: TensorResult
    statistics: TensorResult

    @property
    def loss_passed(self) -> bool:
        """Whether each loss is within the drift."""
        allowed = self.loss_allowed
        pairs = zip(self.loss, self.reference_loss, allowed, strict=True)
        return all(abs(loss - reference) <= most for loss, reference, most in pairs)

    @property
    def loss_allowed(self) -> tuple[float, ...]:
        """How far each loss may be from the reference's."""
        drifts = np.maximum.accumulate(self.loss_drift)
        floors = _FLOOR * np.abs(self.reference_loss)
        return tuple(float(max(NOISE_FACTOR * d, f)) for d, f in zip(drifts, floors, strict=True))

    @property
    def passed(self) -> bool:
        """Whether losses, weights and statistics are within the drift."""
        return self.loss_passed and self.weights.passed and self.statistics.passed


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
    batches = [random_batch(spec, batch_size, [seed, index], size_px) for index in range(BATCHES)]
    labels = np.random.default_rng([seed, 1 << 16]).integers(0, classes, (BATCHES, batch_size))

    def pytorch(dtype: str = "float32") -> PyTorchTrainer:
        return PyTorchTrainer(spec, classes, parameters, recipe, dtype=dtype)  # type: ignore[arg-type]

    progress("gradients of pytorch-float64")
    exact = pytorch("float64")
    reference = _Pass(exact, batches, labels)
    progress("noise of float32 gradients")
    draws = [_Pass(pytorch(), nudged, labels) for nudged in _nudged(batches, seed)]
    curves = None
    if steps:
        progress(f"{steps} steps of pytorch-float64")
        curves = _curves(pytorch, batches, labels, steps, seed)
    pairs = []
    for runtime in runtimes:
        progress(f"gradients of {runtime}")
        trainer = _TRAINERS[runtime](spec, classes, parameters, recipe, device)
        found = _Pass(trainer, batches, labels)
        compared = None
        if curves is not None:
            progress(f"{steps} steps of {runtime}")
            curve = _Curve(
                _TRAINERS[runtime](spec, classes, parameters, recipe, device), batches, labels, steps
            )
            compared = _compared(curve, curves, parameters)
        pairs.append(
            TrainingPair(
                runtime,
                trainer.device,
                _loss(found, reference, draws),
                _gradients(found, reference, draws),
                _statistics(found, reference, draws, parameters, exact.samples),
                compared,
                trainer.versions(),
            )
        )
    return TrainingReport(spec.name, weights, batches[0].shape, recipe, tuple(pairs))


class _Pass:
    """What one trainer computes on every batch, from the weights that it was made with."""

    def __init__(
        self, trainer: PyTorchTrainer | MindSporeTrainer, batches: Sequence, labels: np.ndarray
    ) -> None:
        self.losses: list[float] = []
        self.gradients: list[Values] = []
        for index, batch in enumerate(batches):
            loss, gradients = trainer.gradients(batch, labels[index])
            self.losses.append(loss)
            self.gradients.append(gradients)
            if index == 0:
                self.values = trainer.values()


class _Curve:
    """A run of SGD over the batches in turn: the losses, and the values at its end."""

    def __init__(
        self, trainer: PyTorchTrainer | MindSporeTrainer, batches: list, labels: np.ndarray, steps: int
    ) -> None:
        turns = [index % len(batches) for index in range(steps)]
        self.losses = np.array([trainer.step(batches[turn], labels[turn]) for turn in turns])
        self.values = trainer.values()


def _nudged(batches: list[np.ndarray], seed: int) -> list[tuple[np.ndarray, ...]]:
    """Return the draws: every batch moved by one rounding, each draw otherwise."""
    moved = [[nudged for nudged, _ in nudged_batches(batch, seed)] for batch in batches]
    return list(zip(*moved, strict=True))


def _curves(
    pytorch: Callable[..., PyTorchTrainer], batches: list, labels: np.ndarray, steps: int, seed: int
) -> tuple[_Curve, list[_Curve]]:
    draws = [_Curve(pytorch(), list(nudged), labels, steps) for nudged in _nudged(batches, seed)]
    return _Curve(pytorch("float64"), batches, labels, steps), draws


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b|; infinite where it is no number."""
    found = float(np.abs(np.asarray(a, np.float64) - b).max(initial=0.0))
    return found if np.isfinite(found) else np.inf


def _norm(a: Values, b: Values, names: list[str]) -> float:
    """Return the root of the sum of squares of all differences; infinite where it is no number."""
    found = float(np.sqrt(sum(np.square(np.asarray(a[n], np.float64) - b[n]).sum() for n in names)))
    return found if np.isfinite(found) else np.inf


def _result(name: str, error: float, noise: float, floor: float = _FLOOR) -> TensorResult:
    return TensorResult(name, error, noise, max(floor, NOISE_FACTOR * noise) if np.isfinite(noise) else floor)


def _loss(found: _Pass, reference: _Pass, draws: list[_Pass]) -> TensorResult:
    scale = float(np.abs(reference.losses).max())
    noise = max(_distance(np.array(draw.losses), np.array(draws[0].losses)) for draw in draws) / scale
    return _result("loss", _distance(np.array(found.losses), np.array(reference.losses)) / scale, noise)


def _gradients(found: _Pass, reference: _Pass, draws: list[_Pass]) -> tuple[TensorResult, ...]:
    results = []
    largest = [max(float(np.abs(g).max()) for g in gradients.values()) for gradients in reference.gradients]
    for name in reference.gradients[0]:
        best: TensorResult | None = None
        for index, exact in enumerate(reference.gradients):
            scale = max(float(np.abs(exact[name]).max()), _NEGLIGIBLE * largest[index])
            noise = max(_distance(d.gradients[index][name], draws[0].gradients[index][name]) for d in draws)
            error = _distance(found.gradients[index][name], exact[name])
            result = _result(name, error / scale, noise / scale)
            if best is None or result.error / result.tolerance < best.error / best.tolerance:
                best = result
        assert best is not None
        results.append(best)
    return tuple(results)


def _statistics(
    found: _Pass, reference: _Pass, draws: list[_Pass], before: Values, samples: Mapping[str, int]
) -> Statistics:
    """Compare the updated statistics; say with which momentum and which variance they were made."""
    results, momenta, unbiased, biased = [], [], 0, 0
    for path, count in samples.items():
        for leaf in ("running_mean", "running_var"):
            name = f"{path}.{leaf}"
            exact, given = reference.values[name], found.values[name]
            scale = float(np.abs(exact).max())
            noise = max(_distance(draw.values[name], draws[0].values[name]) for draw in draws) / scale
            results.append(_result(name, _distance(given, exact) / scale, noise))
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
    variance = "unbiased" if not biased else "biased" if not unbiased else "neither"
    return Statistics(tuple(results), float(np.median(momenta)), variance)


def _compared(curve: _Curve, curves: tuple[_Curve, list[_Curve]], before: Values) -> Steps:
    exact, draws = curves
    drift = np.max([np.abs(draw.losses - draws[0].losses) for draw in draws], axis=0)
    results = []
    for kind, statistic in (("weights", False), ("statistics", True)):
        names = [name for name in exact.values if (".running_" in name) == statistic]
        # relative to how far training moved them, not to how large they are
        moved = _norm(exact.values, before, names)
        noise = max(_norm(draw.values, draws[0].values, names) for draw in draws)
        error = _norm(curve.values, exact.values, names)
        results.append(_result(kind, error / moved, noise / moved))
    return Steps(tuple(curve.losses), tuple(exact.losses), tuple(drift), *results)
