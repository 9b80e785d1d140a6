"""What trains a network, a step at a time: one file per framework, found by discovery.

A file here is a trainer; its NAME is that of a runtime. It has `load(network, parameters, task, device)`,
which returns a `Trainer`, and APPROXIMATIONS, what its kernels on a CPU approximate.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol, cast

import numpy as np

from triport.parity.kernels.approximations import Approximation
from triport.parity.training.examples import Example
from triport.parity.training.objective import Objective
from triport.parity.training.recipe import Recipe
from triport.reference_models.network import Arrays, Network


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, and how.

    `trained` are the network's names of the parameters that have gradients; None: all that PyTorch has.
    `imitated` are kernels of another runtime, as which PyTorch is to compute some functions; those that it
    has met are added to `met`.
    """

    recipe: Recipe
    objective: Objective
    trained: frozenset[str] | None = None
    imitated: tuple[Approximation, ...] = ()
    met: set[str] = field(default_factory=set)


class Trainer(Protocol):
    """A network in training mode with an optimizer; names are the network's. Dropout is off."""

    device: str

    def gradients(self, example: Example) -> tuple[float, dict[str, np.ndarray]]:
        """Return the loss and every parameter's gradient; BatchNorm's statistics take the batch in."""
        ...

    def loss(self, example: Example) -> float:
        """Return the loss alone; BatchNorm's statistics take the batch in."""
        ...

    def step(self, example: Example) -> float:
        """Take one step of SGD; return the loss before it."""
        ...

    def values(self) -> dict[str, np.ndarray]:
        """Return every parameter and BatchNorm statistic as they are now."""
        ...

    def versions(self) -> dict[str, str]:
        """Return what computed."""
        ...


class TrainerFile(Protocol):
    """A module of this folder; what each name means stands above."""

    NAME: str
    APPROXIMATIONS: tuple[Approximation, ...]

    def load(self, network: Network, parameters: Arrays, task: Task, device: str = "cpu") -> Trainer:
        """Return the network with these parameters, which are not changed."""
        ...


@cache
def trainers() -> Mapping[str, TrainerFile]:
    """Return the trainers by NAME: every file of this folder."""
    found: dict[str, TrainerFile] = {}
    for entry in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        trainer = cast(TrainerFile, importlib.import_module(f"{__name__}.{entry.name}"))
        if trainer.NAME in found:
            raise ValueError(f"two files of {__name__} have the NAME {trainer.NAME!r}")
        found[trainer.NAME] = trainer
    return found
