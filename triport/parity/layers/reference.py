"""The reference's trace: every call in PyTorch float64, on disk, and each one's own float32 noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triport.parity.noise import nudged, nudged_batches
from triport.parity.runners.calls import Call, Feed, Module
from triport.parity.runners.pytorch import PyTorchRunner
from triport.parity.spool import Spool
from triport.reference_models.kinds import Kind

_ALONE = ":input"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of one module in the reference, in the order in which they finish.

    `source` is the step whose output its input is ("input": the images), None where the input was
    computed between modules. `same_as` is the earlier step that returned the same tensor. `layer` is
    its kind in the table of kinds.
    """

    name: str
    path: str
    number: int
    kind: str
    leaf: bool
    shape: tuple[int, ...]
    source: str | None
    same_as: str | None
    layer: Kind | None = None


class Reference:
    """What the steps of a run in float64 were given and returned, and how noisy each is.

    The noise is that of the runner `rounded`, which need not be PyTorch's own float32 (see
    runners/perturbed.py). With `alone`, it is that of each step fed the reference's input, not its own.
    """

    def __init__(
        self,
        exact: PyTorchRunner,
        rounded: PyTorchRunner,
        batch: np.ndarray,
        *,
        seed: int = 0,
        alone: bool = False,
    ) -> None:
        self.steps: list[Step] = []
        self.modules: list[Module] = exact.modules()
        self.batch = batch
        self._spool = Spool()
        self._largest: dict[str, float] = {}
        self._noise: dict[str, float] = {}
        self._kinds = {module.path: module for module in self.modules}
        self.logits = exact.trace(batch, self._record)
        self._measure(rounded, seed, alone)

    def output(self, name: str) -> np.ndarray:
        """Return what the step `name` returned, float64."""
        return self._spool[name]

    def given(self, step: Step) -> np.ndarray:
        """Return the input of a step, float64 ("input" is the batch, float32)."""
        return self.batch if step.source == "input" else self._spool[self._given_name(step)]

    def largest(self, name: str) -> float:
        """Return the largest absolute value of a step's output."""
        return self._largest[name]

    def noise(self, step: Step) -> float:
        """Return the noise of a step's output, relative to its largest value."""
        return self._noise[step.name]

    def noise_given(self, step: Step) -> float:
        """Return the noise of a step's input, relative to its largest value."""
        return 0.0 if step.source == "input" else self._noise[self._given_name(step)]

    def feed(self) -> Feed:
        """Return what feeds each step the reference's input."""
        by_call = {(step.path, step.number): step for step in self.steps}

        def given(path: str, number: int) -> np.ndarray | None:
            step = by_call.get((path, number))
            return None if step is None or not step.leaf else self.given(step)

        return given

    def _given_name(self, step: Step) -> str:
        return step.source or step.name + _ALONE

    def _record(self, call: Call) -> None:
        module = self._kinds[call.path]
        step = Step(
            call.name,
            call.path,
            call.number,
            module.kind,
            module.leaf,
            call.output.shape,
            call.source,
            call.same_as,
            module.layer,
        )
        self.steps.append(step)
        if step.source is None:
            self._put(step.name + _ALONE, call.given)
        if step.same_as is None or step.same_as == "input":
            self._put(step.name, call.output)
        else:
            self._spool.alias(step.name, step.same_as)
            self._largest[step.name] = self._largest[step.same_as]

    def _put(self, name: str, array: np.ndarray) -> None:
        self._spool.put(name, array)
        self._largest[name] = float(np.abs(array).max(initial=0.0))

    def _measure(self, rounded: PyTorchRunner, seed: int, alone: bool) -> None:
        """Take each step's noise from the draws: the first on disk, the others beside it."""
        first = Spool()
        steps = {step.name: step for step in self.steps}
        random = np.random.default_rng(seed)

        def feed(path: str, number: int) -> np.ndarray | None:
            given = given_by(path, number)
            return None if given is None else nudged(given, random)

        given_by = self.feed()

        def visit(call: Call) -> None:
            step = steps[call.name]
            pieces = [(step.name, call.output)] if step.same_as is None else []
            if step.source is None:
                pieces.append((step.name + _ALONE, call.given))
            for name, array in pieces:
                if name not in first:
                    first.put(name, array)
                    self._noise[name] = 0.0
                else:
                    distance = largest_difference(first[name], array) / (self._largest[name] or 1.0)
                    self._noise[name] = max(self._noise[name], distance)
            if step.same_as is not None:
                self._noise[step.name] = self._noise.get(step.same_as, 0.0)

        for batch, order in nudged_batches(self.batch, seed, rounded.draws):
            rounded.trace(batch, visit, feed if alone else None, order)


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b| in float64; NaN where either has one."""
    return float(np.abs(np.asarray(a, np.float64) - b).max(initial=0.0))
