"""A right network that is to be made wrong, the catalogue, and what changes a module's input or output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from triport.parity.calls import CallStep
from triport.parity.runtimes.pytorch import PyTorchRunner
from triport.reference_models.kinds import Kind
from triport.reference_models.spec import ModelSpec

Named = set[str] | None


@dataclass
class Candidate:
    """A right network in float32, ready to be made wrong, and the steps of the reference."""

    spec: ModelSpec
    runner: PyTorchRunner
    steps: Sequence[CallStep]
    largest: Callable[[str], float]
    batch: np.ndarray
    net: Any = field(init=False)

    def __post_init__(self) -> None:
        self.net = self.runner._net

    def module(self, path: str) -> Any:
        """Return the module at `path`."""
        return self.net.get_submodule(path)

    def replace(self, path: str, module: nn.Module) -> None:
        """Put another module at `path`."""
        parent, _, name = path.rpartition(".")
        where = next(self.net.parameters()).device
        setattr(self.net.get_submodule(parent), name, module.to(where))

    def of(self, *kinds: type, where: Callable[[Any], bool] = lambda module: True) -> list[CallStep]:
        """Return the steps whose module is of a kind and fits."""
        return [s for s in self.steps if s.leaf and isinstance(m := self.module(s.path), kinds) and where(m)]

    def of_kind(self, kind: Kind, where: Callable[[Any], bool]) -> list[CallStep]:
        """Return the steps whose module is of a kind of the table and fits."""
        return [s for s in self.steps if s.leaf and s.layer is kind and where(self.module(s.path))]

    def step_after(self, name: str) -> list[str]:
        """Return the steps that are fed what the step `name` returns."""
        return [step.name for step in self.steps if name in step.sources]


def source_of(step: CallStep) -> str | None:
    """Return the step whose output a step is given, None where that was computed between modules."""
    return step.sources[0] if len(step.sources) == 1 else None


FAULTS: dict[str, Callable[[Candidate], Named]] = {}


def fault(name: str) -> Callable[[Callable[[Candidate], Named]], Callable[[Candidate], Named]]:
    """Put a fault into the catalogue."""

    def register(make: Callable[[Candidate], Named]) -> Callable[[Candidate], Named]:
        if name in FAULTS:
            raise ValueError(f"two faults are called {name}")
        FAULTS[name] = make
        return make

    return register


def middle(steps: Sequence[CallStep]) -> CallStep | None:
    """Return the step in the middle."""
    return steps[len(steps) // 2] if steps else None


def on_output(
    path: str, number: int | None, change: Callable[[Any, Any], Any]
) -> Callable[[Candidate], None]:
    """Return what changes the output of one call (None: every call) of a module: change(input, output)."""

    def apply(candidate: Candidate) -> None:
        calls = [0]

        def hook(module: Any, arguments: tuple[Any, ...], output: Any) -> Any:
            calls[0] += 1
            return change(arguments[0], output) if number in (None, calls[0]) else None

        module = candidate.module(path)
        module.register_forward_hook(hook)
        candidate.net.register_forward_pre_hook(lambda *_: calls.__setitem__(0, 0))

    return apply


def on_input(path: str, number: int | None, change: Callable[[Any], Any]) -> Callable[[Candidate], None]:
    """Return what changes the input of one call (None: every call) of a module."""

    def apply(candidate: Candidate) -> None:
        calls = [0]

        def hook(module: Any, arguments: tuple[Any, ...]) -> Any:
            calls[0] += 1
            return (change(arguments[0]),) if number in (None, calls[0]) else None

        candidate.module(path).register_forward_pre_hook(hook)
        candidate.net.register_forward_pre_hook(lambda *_: calls.__setitem__(0, 0))

    return apply
