"""What came of comparing how a network trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .recipe import Recipe
from .steps import Steps
from .tensors import TensorResult


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
    """The verdict on a network's training.

    `input_shape` is the first input's, `input_shapes` has all by name. `objective` says what it is trained to
    do; `notes` what else whoever reads it must know; `repeat` is what the command is given, where that is
    more than the model's name.
    """

    model: str
    weights: str
    input_shape: tuple[int, ...]
    recipe: Recipe
    seed: int
    pairs: tuple[TrainingPair, ...]
    objective: str = ""
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repeat: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there are pairs, and every one of them passed."""
        return bool(self.pairs) and all(pair.passed for pair in self.pairs)
