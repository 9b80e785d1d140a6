"""K steps of SGD: does a framework stay as close to float64 as float32 stays to itself?

A gradient has kinks (see check.py), and a step carries what one does on to all that follow: runs that
differ by one rounding part by a thousand times that, or do not, by chance. A fault is there in every run. So
a framework is judged by the best of a few runs, each on batches of its own; the next is only run where
those before it left a doubt. The drift is the largest that float32 showed in any of the runs so far.

After each step a weight is rounded to float32. Steps are small beside the weights, so that this is much of
what a float32 run is off by, and runs that differ in one rounding of the input round most weights alike:
their drift does not show it. So no run is asked to be nearer than one rounding of each weight a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from triport.parity.judge.tolerance import FLOAT32
from triport.parity.spool import Spool
from triport.reference_models.kinds import STATISTICS

from .examples import DRAWS, Example, Examples
from .tensors import FLOOR, TensorResult, Values, result_of
from .trainers import Trainer

RUNS = 3


@dataclass(frozen=True, slots=True)
class Steps:
    """K steps of SGD: the loss at each, and the weights and statistics after the last.

    `loss` are the candidate's, `reference_loss` the reference's, `loss_drift` how far float32 runs that
    differ by one rounding are from each other, at each step, all absolute. `run` is which run, from 1.
    """

    run: int
    loss: tuple[float, ...]
    reference_loss: tuple[float, ...]
    loss_drift: tuple[float, ...]
    weights: TensorResult
    statistics: TensorResult

    @property
    def loss_allowed(self) -> tuple[float, ...]:
        """How far each loss may be from the reference's."""
        drifts = np.maximum.accumulate(self.loss_drift)
        floors = FLOOR * np.abs(self.reference_loss)
        return tuple(float(max(FLOAT32.factor * d, f)) for d, f in zip(drifts, floors, strict=True))

    @property
    def share(self) -> float:
        """The largest share of its tolerance that anything needs; infinite where it is no number."""
        differences = np.abs(np.subtract(self.loss, self.reference_loss)) / self.loss_allowed
        ends = [result.error / result.tolerance for result in (self.weights, self.statistics)]
        found = float(max(*differences, *ends))
        return found if np.isfinite([*differences, *ends]).all() else np.inf

    @property
    def loss_passed(self) -> bool:
        """Whether each loss is within the drift."""
        pairs = zip(self.loss, self.reference_loss, self.loss_allowed, strict=True)
        return all(abs(loss - reference) <= most for loss, reference, most in pairs)

    @property
    def passed(self) -> bool:
        """Whether losses, weights and statistics are within the drift."""
        return self.loss_passed and self.weights.passed and self.statistics.passed


class Runs:
    """The reference's runs and how float32 drifts in them, each made when it is asked for."""

    def __init__(
        self,
        exact: Callable[[], Trainer],
        rounded: Callable[[int], Trainer],
        examples: Examples,
        before: Values,
        steps: int,
    ) -> None:
        """Keep what makes the runs.

        Args:
            exact: makes the reference's trainer.
            rounded: makes that of a draw of float32.
            examples: the batches.
            before: the values that training starts from.
            steps: how many.
        """
        self._made = _Made(exact, rounded, before, steps)
        self._examples, self._steps = examples, steps
        self._runs: list[_Run] = []

    def compare(self, trainer: Callable[[], Trainer], progress: Callable[[str], None]) -> Steps:
        """Return a framework's steps beside the reference's, in the first run that passes or the best."""
        found: list[tuple[_Curve, _Run]] = []
        best: Steps | None = None
        for index in range(RUNS):
            progress(f"run {index + 1}")
            run = self._run(index)
            found.append((_Curve(trainer(), self._examples.of(index), self._steps), run))
            judged = [
                self._judged(number, curve, run, [run for _, run in found])
                for number, (curve, run) in enumerate(found, 1)
            ]
            best = min(judged, key=lambda steps: steps.share)
            if best.passed:
                break
        assert best is not None
        return best

    def _run(self, index: int) -> _Run:
        while len(self._runs) <= index:
            number = len(self._runs)
            self._runs.append(_Run(self._made, self._examples.of(number), self._examples.draws(number)))
        return self._runs[index]

    def _judged(self, number: int, curve: _Curve, run: _Run, so_far: Sequence[_Run]) -> Steps:
        ends = []
        for kind, names in _kinds(run.exact.values).items():
            error = _norm(curve.values, run.exact.values, names)
            noise = max(other.drift[kind] for other in so_far)
            ends.append(result_of(kind, error / run.moved[kind], noise, run.rounded[kind]))
        drift = np.max([other.loss_drift for other in so_far], axis=0)
        return Steps(number, tuple(curve.losses), tuple(run.exact.losses), tuple(drift), *ends)


class _Curve:
    """A run of SGD over the batches in turn: the losses, and, on disk, the values at its end."""

    def __init__(self, trainer: Trainer, batches: Sequence[Example], steps: int) -> None:
        self.losses = np.array([trainer.step(batches[index % len(batches)]) for index in range(steps)])
        self.values: Values = Spool(trainer.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What makes a run; see `Runs`."""

    exact: Callable[[], Trainer]
    rounded: Callable[[int], Trainer]
    before: Values
    steps: int


class _Run:
    """The reference's curve, and how far float32 drifts in it and rounds, relative to what training moves."""

    def __init__(self, made: _Made, batches: Sequence[Example], draws: Sequence[Sequence[Example]]) -> None:
        self.exact = _Curve(made.exact(), batches, made.steps)
        names = _kinds(self.exact.values)
        # a network without BatchNorm has no statistics that could move
        self.moved = {kind: _norm(self.exact.values, made.before, names[kind]) or 1.0 for kind in names}
        self.rounded = {
            kind: made.steps * FLOAT32.rounding * _size(self.exact.values, names[kind]) / self.moved[kind]
            for kind in names
        }
        self.drift = dict.fromkeys(names, 0.0)
        self.loss_drift = np.zeros(made.steps)
        first: _Curve | None = None
        for draw, moved in zip(range(DRAWS), draws, strict=True):
            curve = _Curve(made.rounded(draw), moved, made.steps)
            first = first or curve
            self.loss_drift = np.maximum(self.loss_drift, np.abs(curve.losses - first.losses))
            for kind in names:
                distance = _norm(curve.values, first.values, names[kind]) / self.moved[kind]
                self.drift[kind] = max(self.drift[kind], distance)


def _kinds(values: Values) -> Mapping[str, list[str]]:
    """Return the names of the weights, and those of BatchNorm's statistics."""
    statistics = [name for name in values if name.rpartition(".")[2] in STATISTICS]
    return {"weights": [name for name in values if name not in statistics], "statistics": statistics}


def _size(values: Values, names: list[str]) -> float:
    """Return the root of the sum of all squares."""
    return float(np.sqrt(sum(np.square(np.asarray(values[name], np.float64)).sum() for name in names)))


def _norm(a: Values, b: Values, names: list[str]) -> float:
    """Return the root of the sum of squares of all differences; infinite where it is no number."""
    found = float(np.sqrt(sum(np.square(np.asarray(a[n], np.float64) - b[n]).sum() for n in names)))
    return found if np.isfinite(found) else np.inf
