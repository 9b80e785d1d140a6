"""What a network is trained to do for a check: the loss that is asked of its outputs, whatever their rank.

Scores of classes, a single output (N, classes), have cross entropy. All other outputs of floating point are
drawn towards fixed random values: the mean of the squared distances, each output relative to its own
size. Such a loss reaches every value of every output, and no two terms of it cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays

# (scores, labels) -> loss, as a framework has it
CrossEntropy = Callable[[Any, Any], Any]


class ObjectiveError(TriportError):
    """A network returns nothing that could be trained."""


class Objective(Protocol):
    """A loss of named outputs and named targets, of any framework's tensors."""

    def targets(self, random: np.random.Generator, count: int) -> list[dict[str, np.ndarray]]:
        """Return targets for so many batches."""
        ...

    def loss(
        self, outputs: Mapping[str, Any], targets: Mapping[str, Any], cross_entropy: CrossEntropy
    ) -> Any:
        """Return the loss."""
        ...

    def described(self, label_smoothing: float) -> str:
        """Return what it is, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Classes:
    """Cross entropy of scores (rows, classes) and random labels."""

    output: str
    rows: int
    classes: int

    def targets(self, random: np.random.Generator, count: int) -> list[dict[str, np.ndarray]]:
        """Return labels for so many batches."""
        return [{self.output: labels} for labels in random.integers(0, self.classes, (count, self.rows))]

    def loss(
        self, outputs: Mapping[str, Any], targets: Mapping[str, Any], cross_entropy: CrossEntropy
    ) -> Any:
        """Return the framework's own cross entropy."""
        return cross_entropy(outputs[self.output], targets[self.output])

    def described(self, label_smoothing: float) -> str:
        """Return what it is, in words."""
        return f"cross entropy with label smoothing {label_smoothing}"


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """The mean squared distance of each output from random values.

    `shapes` are those of the outputs; `sizes` are the roots of their mean squares before training, by which
    each is divided.
    """

    shapes: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, float]

    def targets(self, random: np.random.Generator, count: int) -> list[dict[str, np.ndarray]]:
        """Return values of N(0, 1) for so many batches."""
        return [
            {name: random.standard_normal(shape).astype(np.float32) for name, shape in self.shapes.items()}
            for _ in range(count)
        ]

    def loss(
        self, outputs: Mapping[str, Any], targets: Mapping[str, Any], cross_entropy: CrossEntropy
    ) -> Any:
        """Return the sum over the outputs."""
        parts = []
        for name, size in self.sizes.items():
            apart = outputs[name] * (1 / size) - targets[name]
            parts.append((apart * apart).mean())
        return sum(parts[1:], start=parts[0])

    def described(self, label_smoothing: float) -> str:
        """Return what it is, in words."""
        return f"mean squared distance of {', '.join(self.sizes)} from fixed random values"


def objective_for(outputs: Arrays) -> Objective:
    """Return what a network is trained to do that returns such outputs.

    Raises:
        ObjectiveError: none of them is of floating point, or all of them are empty.
    """
    trained = {name: array for name, array in outputs.items() if array.dtype.kind == "f" and array.size}
    if not trained:
        raise ObjectiveError(
            f"--gradients: no output is of floating point ({', '.join(outputs)}): there is nothing to train"
        )
    if len(outputs) == 1:
        ((name, scores),) = trained.items()
        if scores.ndim == 2 and scores.shape[1] > 1:
            return Classes(name, scores.shape[0], scores.shape[1])
    sizes = {name: float(np.sqrt(np.square(array).mean())) for name, array in trained.items()}
    return Distances(
        {name: array.shape for name, array in trained.items()},
        {name: size if np.isfinite(size) and size > 0 else 1.0 for name, size in sizes.items()},
    )
