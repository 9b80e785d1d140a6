"""The verdict on every step of a candidate, and the first at which it parts from the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from triport.parity.calls import CallStep, ModuleCall
from triport.parity.judge.difference import distance, largest_value, relative
from triport.parity.judge.divergence import first_divergence
from triport.parity.judge.tolerance import FLOAT32, Calibration

from .reference import StepReference

WORST_CHANNELS = 5
FIRST = "input"  # what is before the first step


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step of a candidate beside the reference's; errors are relative to the reference's largest value.

    `given_error` is that of its input, NaN where the input is not known or of another shape, which
    `given_shapes` then says in words. An error is infinite where the shapes differ (of its output, `shapes`)
    or a value is NaN or Inf. `worst_channels` are pairs of a channel and its error, worst first, where the
    step differs.
    """

    name: str
    kind: str
    given_error: float
    given_tolerance: float
    error: float
    noise: float
    tolerance: float
    worst_channels: tuple[tuple[int, float], ...] = ()
    given_shapes: str = ""
    shapes: str = ""

    @property
    def passed(self) -> bool:
        """Whether the output is within its tolerance."""
        return self.error <= self.tolerance

    @property
    def given_passed(self) -> bool:
        """Whether the input is within its tolerance, as far as it is known."""
        return not self.given_error > self.given_tolerance

    @property
    def given_known(self) -> bool:
        """Whether it is known what the step was given."""
        return not math.isnan(self.given_error)

    @property
    def comparable(self) -> bool:
        """Whether its output tells something: not where it was given, and so returns, another shape."""
        return not (self.given_shapes and self.shapes)


@dataclass(frozen=True, slots=True)
class StepDivergence:
    """The first step at which a candidate is not the reference.

    `inside`: the step's input is right and its output wrong, so the fault is in it. Otherwise its
    input is wrong while every step before is right: the fault is in what is computed between
    `after`, the last right step before it, and this one. None where it is not known what the step was given:
    the fault is in it, or in what is computed since `after`.
    """

    step: StepResult
    inside: bool | None
    after: str

    def __str__(self) -> str:
        at = self.step.name
        last = f"the last that is right is {self.after}"
        if self.inside is None and self.step.given_shapes:
            given = f"given another shape ({self.step.given_shapes}); {last}"
            if self.step.comparable:
                return f"in {at} ({self.step.kind}): its output is wrong, and it was {given}"
            return f"at {at} ({self.step.kind}): it was {given}"
        if self.inside is None:
            return (
                f"in {at} ({self.step.kind}): its output is wrong, and what it was given is not known; {last}"
            )
        if self.inside:
            return f"in {at} ({self.step.kind}): its input is right, its output is not"
        if self.after == FIRST:
            return f"before {at} ({self.step.kind}), the first module: its input is wrong"
        before = "every module compared before it is right"
        return f"before {at} ({self.step.kind}): its input is wrong, and {before}"


@dataclass(frozen=True, slots=True)
class LayerReport:
    """Every step that was compared, those that could not be, and the first that parts.

    `why_not` says why some could not. `behind` names what follows the last step, where that is all that can
    be at fault: every step is right and the logits are not. `of_no_kind` are modules, with their classes,
    that the table of kinds knows nothing of and that no known modules are inside of. `is_one_graph`: the
    candidate has no modules at all, and no tensor of it is known to be the output of one. `given_otherwise`
    are the steps that were given another shape and return another: no difference by themselves, as a constant
    may be stored once or for each image; what is made of them is compared.
    """

    steps: tuple[StepResult, ...]
    not_compared: tuple[str, ...]
    parting: StepDivergence | None
    isolated: bool = False
    why_not: str = ""
    behind: str = ""
    of_no_kind: tuple[str, ...] = ()
    is_one_graph: bool = False
    given_otherwise: tuple[StepResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was compared and every step is right."""
        return bool(self.steps) and self.parting is None

    @property
    def differs(self) -> bool:
        """Whether it is a reason not to call the candidate equal.

        The outputs alone decide where there is nothing to compare: no module, or a graph in which none is
        found.
        """
        if self.steps or self.is_one_graph:
            return self.parting is not None
        return bool(self.not_compared)


class CallJudge:
    """Compares the calls of a candidate, as they come, with the reference."""

    def __init__(
        self,
        reference: StepReference,
        calibration: Calibration = FLOAT32,
        tolerance: float | None = None,
    ) -> None:
        self._reference = reference
        self._calibration = calibration
        self._fixed = tolerance
        self._steps = {step.name: step for step in reference.steps}
        self._results: dict[str, StepResult] = {}

    def visit(self, call: ModuleCall) -> None:
        """Judge one call; one that the reference has not, or that was given otherwise, is left out."""
        step = self._steps.get(call.name)
        if step is None or len(step.sources) != len(call.given):
            return
        reference, output = self._reference, self._reference.output(step.name)
        noise = reference.noise(step)
        tolerance = self._tolerance(noise)
        error = error_of(output, call.output, reference.largest(step.name))
        given_error, given_tolerance, given_shapes = self._given(step, call)
        self._results[step.name] = StepResult(
            step.name,
            step.kind,
            given_error,
            given_tolerance,
            error,
            noise,
            tolerance,
            () if error <= tolerance else _worst_channels(output, call.output),
            given_shapes,
            _other_shapes(output, call.output),
        )

    def _given(self, step: CallStep, call: ModuleCall) -> tuple[float, float, str]:
        """Return the error and the tolerance of what a step was given that needs most of it.

        Then the shapes, in words, where they are not the reference's and nothing else is known to be wrong.
        """
        found, shapes = [], ""
        for ours, theirs, noise in zip(
            self._reference.given(step), call.given, self._reference.noise_given(step), strict=True
        ):
            if theirs is None:
                continue
            if ours.shape == theirs.shape:
                found.append((error_of(ours, theirs, largest_value(ours)), self._tolerance(noise)))
            else:
                shapes = shapes or _other_shapes(ours, theirs)
        most = max(found, key=lambda one: one[0] / one[1] if one[1] else one[0], default=(0.0, 0.0))
        if most[0] > most[1]:
            return *most, ""
        return most[0] if len(found) == len(call.given) else math.nan, most[1], shapes

    def report(self, *, isolated: bool = False, why_not: str = "") -> LayerReport:
        """Return the verdict on all that was visited, in the reference's order."""
        results = [self._results[step.name] for step in self._reference.steps if step.name in self._results]
        missing = [
            step.name
            for step in self._reference.steps
            # a container cannot be fed apart from its modules
            if step.name not in self._results and (step.leaf or not isolated)
        ]
        parting = self._parting(results, isolated)
        # those behind the first that differs are shown as they are
        end = results.index(parting.step) if parting else len(results)
        otherwise = tuple(result for result in results[:end] if not result.comparable)
        return LayerReport(
            tuple(result for result in results if result not in otherwise),
            tuple(missing),
            parting,
            isolated,
            why_not if missing else "",
            of_no_kind=tuple(
                f"{module.path} ({module.kind})"
                for module in self._reference.modules
                if module.leaf and module.layer is None
            ),
            given_otherwise=otherwise,
        )

    def _tolerance(self, noise: float) -> float:
        return self._calibration.tolerance_of(noise) if self._fixed is None else self._fixed

    def _parting(self, results: list[StepResult], isolated: bool) -> StepDivergence | None:
        first = first_divergence(
            [result for result in results if result.comparable],
            lambda result: result.passed,
            # a step that is fed the reference's input is judged by its output alone
            lambda result: (result.given_passed or isolated) if result.given_known else None,
        )
        if first is None:
            return None
        after = FIRST if first.after is None else first.after.name
        # the first that was given another shape, where nothing right is behind it
        start = 0 if first.after is None else results.index(first.after) + 1
        other = next((one for one in results[start : results.index(first.at)] if not one.comparable), None)
        return (
            StepDivergence(first.at, first.inside, after)
            if other is None
            else StepDivergence(other, None, after)
        )


def error_of(reference: np.ndarray, candidate: np.ndarray, largest: float) -> float:
    """Return max|a - b| / `largest`; infinite where the shapes differ or a value is not finite."""
    if reference.shape != candidate.shape:
        return np.inf
    return relative(distance(reference, candidate), largest)


def _other_shapes(reference: np.ndarray, candidate: np.ndarray) -> str:
    """Return two shapes in words; empty where they are one."""
    ours, theirs = (" x ".join(map(str, one.shape)) or "a scalar" for one in (reference, candidate))
    return "" if reference.shape == candidate.shape else f"{ours} and {theirs}"


def _worst_channels(reference: np.ndarray, candidate: np.ndarray) -> tuple[tuple[int, float], ...]:
    """Return the channels (axis 1) that differ most, each relative to the reference's largest value."""
    if reference.shape != candidate.shape or reference.ndim < 2:
        return ()
    other_axes = (0, *range(2, reference.ndim))
    errors = np.abs(np.asarray(reference, np.float64) - candidate).max(axis=other_axes)
    errors = errors / (np.abs(reference).max() or 1.0)
    worst = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:WORST_CHANNELS]
    return tuple((int(channel), float(errors[channel])) for channel in worst if errors[channel] != 0)
