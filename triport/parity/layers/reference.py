"""The reference's trace: every call in PyTorch float64, on disk, and each one's own float32 noise."""

from __future__ import annotations

import numpy as np

from triport.parity.calls import (
    CalledModule,
    CallStep,
    Feed,
    ModuleCall,
    ReferenceNames,
    call_name,
    input_name,
)
from triport.parity.judge.difference import distance, largest_value
from triport.parity.judge.noise import nudged
from triport.parity.noise import nudged_feeds
from triport.parity.noise.redrawn import Redrawn
from triport.parity.runtimes import Runner
from triport.parity.spool import Spool
from triport.reference_models.network import Arrays


class StepReference:
    """What the steps of a run in float64 were given and returned, and how noisy each is.

    The noise is that of the runner `rounded`, which need not be PyTorch's own float32 (see
    noise/perturbed.py). With `alone`, it is that of each step fed the reference's input, not its own.
    """

    def __init__(
        self,
        exact: Runner,
        rounded: Redrawn,
        feed: Arrays,
        *,
        seed: int = 0,
        alone: bool = False,
    ) -> None:
        self.steps: list[CallStep] = []
        self.modules: list[CalledModule] = exact.modules()
        self.inputs = feed
        self._sources = {input_name(name): array for name, array in feed.items()}
        self._spool = Spool()
        self._largest: dict[str, float] = {}
        self._noise: dict[str, float] = {}
        self._kinds = {module.path: module for module in self.modules}
        self.outputs = exact.trace(feed, self._record)
        self._measure(rounded, seed, alone)

    @property
    def beside(self) -> ReferenceNames:
        """What a candidate needs to tell its own calls under the names of these steps."""
        return ReferenceNames(tuple(self.modules), tuple(self.steps))

    def output(self, name: str) -> np.ndarray:
        """Return what the step `name` returned, float64."""
        return self._spool[name]

    def given(self, step: CallStep) -> tuple[np.ndarray, ...]:
        """Return what a step was given, in float64 where it was computed; inputs are as they are."""
        return tuple(
            self._sources[name] if name in self._sources else self._spool[name] for name in _given_names(step)
        )

    def largest(self, name: str) -> float:
        """Return the largest absolute value of a step's output."""
        return self._largest[name]

    def noise(self, step: CallStep) -> float:
        """Return the noise of a step's output, relative to its largest value."""
        return self._noise[step.name]

    def noise_given(self, step: CallStep) -> tuple[float, ...]:
        """Return the noise of what a step was given, each relative to its largest value."""
        return tuple(0.0 if name in self._sources else self._noise[name] for name in _given_names(step))

    def feed(self) -> Feed:
        """Return what feeds each step the reference's inputs."""
        by_call = {(step.path, step.number): step for step in self.steps}

        def given(path: str, number: int) -> tuple[np.ndarray, ...] | None:
            step = by_call.get((path, number))
            return None if step is None or not step.leaf else self.given(step)

        return given

    def _record(self, call: ModuleCall) -> None:
        module = self._kinds[call.path]
        step = CallStep(
            call.name,
            call.path,
            call.number,
            module.kind,
            module.leaf,
            call.output.shape,
            call.sources,
            call.same_as,
            call.index,
            module.layer,
        )
        self.steps.append(step)
        for name, source, array in zip(_given_names(step), step.sources, call.known, strict=True):
            if source is None and name not in self._spool:
                self._put(name, array)
        if step.same_as is None or step.same_as in self._sources:
            self._put(step.name, call.output)
        else:
            self._spool.alias(step.name, step.same_as)
            self._largest[step.name] = self._largest[step.same_as]

    def _put(self, name: str, array: np.ndarray) -> None:
        self._spool.put(name, array)
        self._largest[name] = largest_value(array)

    def _measure(self, rounded: Redrawn, seed: int, alone: bool) -> None:
        """Take each step's noise from the draws: the first on disk, the others beside it."""
        first = Spool()
        steps = {step.name: step for step in self.steps}

        def visit(call: ModuleCall) -> None:
            step = steps[call.name]
            pieces = [(step.name, call.output)] if step.same_as is None else []
            if not step.index:
                pieces += [
                    (name, array)
                    for name, source, array in zip(_given_names(step), step.sources, call.known, strict=True)
                    if source is None
                ]
            for name, array in pieces:
                if name not in first:
                    first.put(name, array)
                    self._noise[name] = 0.0
                else:
                    apart = distance(first[name], array) / (self._largest[name] or 1.0)
                    self._noise[name] = max(self._noise[name], apart)
            if step.same_as is not None:
                self._noise[step.name] = self._noise.get(step.same_as, 0.0)

        def draw(names: set[str]) -> None:
            given = self._moved(names, seed)
            for moved, order in nudged_feeds(self.inputs, seed, rounded.draws):
                rounded.trace(moved, visit, given, order=order)

        draw({call_name(step.path, step.number) for step in self.steps} if alone else set())
        # those behind such a call get their noise from it; what is left was computed outside of modules
        for is_exact in (True, False) if not alone else ():
            if hidden := self._hidden(first, is_exact):
                draw(hidden)

    def _moved(self, names: set[str], seed: int) -> Feed | None:
        """Return what feeds the calls of these names the reference's inputs, moved by a rounding."""
        random, given_by = np.random.default_rng(seed), self.feed()

        def fed(path: str, number: int) -> tuple[np.ndarray, ...] | None:
            given = given_by(path, number) if call_name(path, number) in names else None
            return (
                None if given is None else tuple(nudged(array, random, dtype=np.float32) for array in given)
            )

        return fed if names else None

    def _hidden(self, first: Spool, is_exact: bool) -> set[str]:
        """Return the calls that round what they compute, where no draw shows it.

        A layer of numbers that no input reaches, as a table of positions, gives the same in all of them.
        With `is_exact`, what the call is given must be the reference's own.
        """
        found = set()
        for step in self.steps:
            if not step.leaf or step.same_as is not None or step.index or self._noise[step.name]:
                continue
            if any(self.noise_given(step)) or self._is_exact([step.name], first):
                continue
            if not is_exact or self._is_exact(_given_names(step), first):
                found.add(call_name(step.path, step.number))
        return found

    def _is_exact(self, names: list[str], first: Spool) -> bool:
        """Return whether the first draw has the reference's values, rounded."""
        return all(
            np.array_equal(self._spool[name].astype(first[name].dtype), first[name])
            for name in names
            if name not in self._sources
        )


def _given_names(step: CallStep) -> list[str]:
    """Return under which names lies what a step was given: those of its sources, or its own."""
    call = call_name(step.path, step.number)
    return [source or f"{call}:given {index}" for index, source in enumerate(step.sources)]
