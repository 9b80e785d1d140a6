"""Do both frameworks train the same? Judged, as everywhere, against PyTorch in float64 and its own noise.

A gradient has kinks: where the input of a ReLU is within rounding of zero, float32 may fall on the other
side, and the gradient of its whole layer changes by that position's share. That is a chance of the batch, not
a fault of the network, and neither tolerance nor noise can tell it. A fault is there on every batch: so
each gradient is judged on a few batches, by the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from triport.converters.environment import MissingRuntimeError
from triport.parity.candidates import ParityError, framework_errors
from triport.parity.kernels.approximations import told
from triport.parity.reference import REFERENCE
from triport.parity.runtimes import runtime_called
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.errors import counted
from triport.reference_models.network import Arrays, Network

from .examples import DRAWS, Example, Examples, feed_of, shapes_of
from .objective import objective_for
from .passes import Pass, PassNoise, gradients_beside, loss_beside, statistics_beside
from .recipe import Recipe
from .result import TrainingPair, TrainingReport
from .steps import Runs
from .trainers import Task, Trainer, trainers
from .trainers.pytorch import Counted, PyTorchTrainer

# a loss that differs by more from run to run has something random in it
_REPEATED = 1e-3
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Training:
    """How training is compared.

    `sizes` are those of the network's free axes, its own where one is left out; `runtimes` are the
    candidates, each where the network has what it runs; `device` is theirs; `weights` is what the report says
    about the parameters; `seed` is that of inputs and targets; `steps` is how many steps of SGD to compare,
    0 is none; `recipe` has the optimizer. `skip_missing`: leave out a runtime that is not installed.
    `repeat`: see `TrainingReport`.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    runtimes: tuple[str, ...] = field(default_factory=lambda: tuple(trainers()))
    device: str = "cpu"
    weights: str = "random seed 0"
    seed: int = 0
    steps: int = 0
    recipe: Recipe = Recipe()  # noqa: RUF009  frozen
    skip_missing: bool = False
    repeat: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """Another network of the same parameters in a runtime that is there already."""

    name: str
    runtime: str
    network: Network


def check_training(
    network: Network,
    parameters: Arrays,
    how: Training = Training(),
    *,
    rivals: Sequence[Rival] = (),
    progress: Progress = lambda step: None,
) -> TrainingReport:
    """Compare loss, gradients, BatchNorm statistics and, if asked for, some steps of SGD.

    Args:
        network: what is trained.
        parameters: values by its names; they are not changed.
        how: on what, and how.
        rivals: more candidates.
        progress: is told each step.

    Raises:
        TriportError: a framework or the device is missing, the parameters do not fit, or the network cannot
            be trained so.
    """
    candidates = _candidates(network, how, rivals)
    progress(f"gradients of {REFERENCE}")
    with framework_errors(REFERENCE):
        exact = PyTorchRunner(network, parameters, dtype="float64")
        objective = objective_for(exact.run(feed_of(network, how.sizes, how.seed, 0)))
        del exact
        examples = Examples(network, how.sizes, objective, how.seed)
        reference = _reference(network, parameters, Task(how.recipe, objective), examples.of(0))
        gradients = reference.found.gradients[0]
        task = Task(_stepping(how.recipe, gradients, parameters), objective, frozenset(gradients))
        progress("noise of float32 gradients")
        bench = _Bench(network, parameters, examples, how.steps)
        judge = bench.judge(task, reference)
    pairs, notes = _pairs(candidates, parameters, task, how, bench, judge, progress)
    notes = [*reference.notes, *notes]
    if not pairs:
        raise ParityError(f"{network.name}: no runtime could be trained\n  " + "\n  ".join(notes))
    shapes = shapes_of(examples.of(0))
    return TrainingReport(
        network.name,
        how.weights,
        next(iter(shapes.values())),
        task.recipe,
        how.seed,
        tuple(pairs),
        objective.described(task.recipe.label_smoothing),
        shapes,
        tuple(notes),
        how.repeat,
    )


def _pairs(
    candidates: Sequence[Rival],
    parameters: Arrays,
    task: Task,
    how: Training,
    bench: _Bench,
    judge: _Judge,
    progress: Progress,
) -> tuple[list[TrainingPair], list[str]]:
    """Return the verdict on each candidate, and what is to be said of those that are left out or excused."""
    pairs: list[TrainingPair] = []
    notes: list[str] = []
    for candidate in candidates:
        progress(f"gradients of {candidate.name}")
        load = partial(trainers()[candidate.runtime].load, candidate.network, parameters, task, how.device)
        try:
            with framework_errors(f"{candidate.name}, in training"):
                pair = judge.pair(candidate.name, load, progress)
                kernels = trainers()[candidate.runtime].APPROXIMATIONS if how.device == "cpu" else ()
                if kernels and not pair.passed:
                    pair, note = bench.but_for_kernels(pair, replace(task, imitated=kernels), load, progress)
                    notes += note
                pairs.append(pair)
        except MissingRuntimeError as error:
            if not how.skip_missing:
                raise
            notes.append(f"not run: {candidate.name}: {error}")
    return pairs, notes


def _candidates(network: Network, how: Training, rivals: Sequence[Rival]) -> list[Rival]:
    """Return what is trained beside the reference.

    Raises:
        ParityError: there is no reference, or nothing beside it, or a map stands between them.
    """
    known = network.realisations
    if "pytorch" not in known:
        raise ParityError(
            f"--gradients: the reference is PyTorch in float64, and {network.name} has no Module: it is "
            f"there for {', '.join(known)}. Name the Module of the same parameters too"
        )
    others = (one.network.realisations.values() for one in rivals)
    if any(one.values is not None for own in (known.values(), *others) for one in own):
        raise ParityError(
            f"--gradients: the map of --names moves values, not yet gradients and steps of training, from "
            f"{network.name} to the other network. Leave --gradients and --steps out, or compare networks of "
            f"the same names"
        )
    able = [name for name in how.runtimes if name in trainers()]
    # the reference's own framework first
    able.sort(key=lambda name: runtime_called(name).LOADS != "pytorch")
    found = [Rival(name, name, network) for name in able if runtime_called(name).LOADS in known]
    found += [one for one in rivals if one.runtime in able]
    if not found:
        raise ParityError(
            f"--gradients: {', '.join(how.runtimes) or 'nothing'} trains nothing of {network.name}: "
            f"{', '.join(trainers())} do; name one of them, or leave --runtimes out"
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Exact:
    """What the reference computes, how its BatchNorms count, and what is to be said of it."""

    found: Pass
    counted: Mapping[str, Counted]
    notes: list[str]


def _reference(network: Network, parameters: Arrays, task: Task, batches: Sequence[Example]) -> _Exact:
    trainer = PyTorchTrainer(network, parameters, task, dtype="float64")
    found = Pass(trainer, batches, on_disk=True)
    _check_repeats(trainer, found, batches[0], network.name)
    if not any(np.any(gradient) for gradient in found.gradients[0].values()):
        raise ParityError(f"--gradients: {network.name} has no parameter on which its loss depends")
    notes = ["dropout is random, and was left out"] if trainer.without_dropout else []
    return _Exact(found, dict(trainer.counted), notes)


def _check_repeats(trainer: Trainer, found: Pass, batch: Example, name: str) -> None:
    """Raise ParityError where a network computes another loss of the same batch."""
    again = trainer.loss(batch)
    if abs(again - found.losses[0]) > _REPEATED * abs(found.losses[0]):
        raise ParityError(
            f"{name}: its loss is {found.losses[0]:.6g} and then {again:.6g} with the same batch and "
            f"weights: in training mode something in it is random (dropout that is a function, stochastic "
            f"depth), so that nothing can be compared. Build it without"
        )


class _Judge:
    """Trains each candidate and holds it against the reference."""

    def __init__(
        self,
        reference: _Exact,
        noise: PassNoise,
        before: Arrays,
        batches: Sequence[Example],
        runs: Runs,
        steps: int,
    ) -> None:
        self._reference, self._noise, self._before = reference, noise, before
        self._batches, self._runs, self._steps = batches, runs, steps

    def pair(self, name: str, load: Callable[[], Trainer], progress: Progress) -> TrainingPair:
        """Return the verdict on one; it is in memory alone."""
        exact, noise = self._reference.found, self._noise
        trainer = load()
        found = Pass(trainer, self._batches)
        _check_repeats(trainer, found, self._batches[0], name)
        pair = TrainingPair(
            name,
            trainer.device,
            loss_beside(found, exact, noise),
            gradients_beside(found, exact, noise),
            statistics_beside(found, exact, noise, self._before, self._reference.counted),
            None,
            trainer.versions(),
        )
        del trainer, found  # before the next is made
        if not self._steps:
            return pair
        tell = partial(_tell_steps, progress, f"{counted(self._steps, 'step')} of {name}")
        return replace(pair, steps=self._runs.compare(load, tell))


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What every judge of a check is made of."""

    network: Network
    parameters: Arrays
    examples: Examples
    steps: int

    def judge(self, task: Task, reference: _Exact) -> _Judge:
        """Draw the noise of float32, and return who judges by it."""

        def rounded(draw: int) -> PyTorchTrainer:
            return PyTorchTrainer(self.network, self.examples.moved(self.parameters, draw), task)

        draws = zip(range(DRAWS), self.examples.draws(0), strict=True)
        noise = PassNoise(Pass(rounded(draw), batches) for draw, batches in draws)
        exact = partial(PyTorchTrainer, self.network, self.parameters, task, dtype="float64")
        runs = Runs(exact, rounded, self.examples, self.parameters, self.steps)
        return _Judge(reference, noise, self.parameters, self.examples.of(0), runs, self.steps)

    def but_for_kernels(
        self, pair: TrainingPair, task: Task, load: Callable[[], Trainer], progress: Progress
    ) -> tuple[TrainingPair, list[str]]:
        """Judge what differs by a reference that imitates its kernels; say so where that is all."""
        reference = _reference(self.network, self.parameters, task, self.examples.of(0))
        if not task.met:
            return pair, []
        again = self.judge(task, reference).pair(pair.candidate, load, progress)
        if not again.passed:
            return pair, []
        out = [pair.loss, *pair.gradients, *pair.statistics.results]
        worst = max(out, key=lambda one: one.error / one.tolerance)
        return again, [
            f"{pair.candidate}: equal but for its kernels: they compute {told(task.imitated, task.met)}; "
            f"{worst.name} is off by {worst.error:.1e} of its largest value, where {worst.tolerance:.1e} is "
            f"allowed. PyTorch in float64 that computes {', '.join(sorted(task.met))} so trains as it does, "
            "as shown here"
        ]


def _tell_steps(progress: Progress, what: str, run: str) -> None:
    progress(f"{what}, {run}")


def _stepping(recipe: Recipe, gradients: Arrays, parameters: Arrays) -> Recipe:
    """Return the recipe with a learning rate."""
    if recipe.learning_rate:
        return recipe
    weights, gradient = (
        np.sqrt(sum(np.square(np.asarray(values[name], np.float64)).sum() for name in gradients))
        for values in (parameters, gradients)
    )
    rate = float(recipe.first_step * weights / gradient)
    return replace(recipe, learning_rate=rate if np.isfinite(rate) else recipe.first_step)
