"""What one trainer computes on every batch, and each part of it beside the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from triport.parity.judge.difference import distance, relative
from triport.parity.spool import Spool

from .examples import Example
from .result import Statistics
from .tensors import TensorResult, Values, result_of
from .trainers import Trainer
from .trainers.pytorch import Counted

# A gradient that is zero but for rounding (of a shift that the next BatchNorm takes out) is judged by the
# scale of the others.
_NEGLIGIBLE = 1e-5


class Pass:
    """What one trainer computes on every batch, from the weights that it was made with."""

    def __init__(
        self,
        trainer: Trainer,
        batches: Sequence[Example],
        *,
        on_disk: bool = False,
    ) -> None:
        self.losses: list[float] = []
        self.gradients: list[Values] = []
        for index, batch in enumerate(batches):
            loss, gradients = trainer.gradients(batch)
            self.losses.append(loss)
            self.gradients.append(Spool(gradients) if on_disk else gradients)
            if index == 0:
                self.values = trainer.values()


class PassNoise:
    """How far passes that differ by roundings are from the first; one is in memory beside it."""

    def __init__(self, passes: Iterator[Pass]) -> None:
        first = next(passes)
        self.loss = 0.0
        self.gradients = {(index, name): 0.0 for index, found in enumerate(first.gradients) for name in found}
        self.values = dict.fromkeys(first.values, 0.0)
        for other in passes:
            self.loss = max(self.loss, _distance(np.array(other.losses), np.array(first.losses)))
            for index, name in self.gradients:
                distance = _distance(other.gradients[index][name], first.gradients[index][name])
                self.gradients[index, name] = max(self.gradients[index, name], distance)
            for name in self.values:
                self.values[name] = max(self.values[name], _distance(other.values[name], first.values[name]))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b|; infinite where it is no number."""
    return relative(distance(a, b), 1.0)


def loss_beside(found: Pass, reference: Pass, noise: PassNoise) -> TensorResult:
    """Return the losses of all batches beside the reference's."""
    scale = float(np.abs(reference.losses).max()) or 1.0
    error = _distance(np.array(found.losses), np.array(reference.losses))
    return result_of("loss", error / scale, noise.loss / scale)


def gradients_beside(found: Pass, reference: Pass, noise: PassNoise) -> tuple[TensorResult, ...]:
    """Return each gradient, on the batch where it is nearest to the reference's: see check.py."""
    results = []
    largest = [
        max(float(np.abs(one).max(initial=0.0)) for one in gradients.values())
        for gradients in reference.gradients
    ]
    for name in reference.gradients[0]:
        best: TensorResult | None = None
        for index, exact in enumerate(reference.gradients):
            scale = max(float(np.abs(exact[name]).max(initial=0.0)), _NEGLIGIBLE * largest[index]) or 1.0
            error = _distance(found.gradients[index][name], exact[name])
            result = result_of(name, error / scale, noise.gradients[index, name] / scale)
            if best is None or result.error / result.tolerance < best.error / best.tolerance:
                best = result
        assert best is not None
        results.append(best)
    return tuple(results)


def statistics_beside(
    found: Pass, reference: Pass, noise: PassNoise, before: Values, counted: Mapping[str, Counted]
) -> Statistics:
    """Compare the updated statistics; say with which momentum and which variance they were made."""
    results, momenta, unbiased, biased = [], [], 0, 0
    for path, how in counted.items():
        for leaf in ("running_mean", "running_var"):
            name = f"{path}.{leaf}"
            exact, given = reference.values[name], found.values[name]
            scale = float(np.abs(exact).max(initial=0.0)) or 1.0
            results.append(result_of(name, _distance(given, exact) / scale, noise.values[name] / scale))
        mean = f"{path}.running_mean"
        moved = reference.values[mean] - before[mean]
        at = int(np.abs(moved).argmax())  # where the batch moved it most, rounding matters least
        if moved[at]:
            momenta.append(how.momentum * float((found.values[mean][at] - before[mean][at]) / moved[at]))
        variance = f"{path}.running_var"
        kept = (1 - how.momentum) * np.asarray(before[variance], np.float64)
        new = reference.values[variance] - kept
        given = found.values[variance] - kept
        to_unbiased = _distance(given, new)
        to_biased = _distance(given, new * (how.count - 1) / how.count)
        unbiased += to_unbiased < to_biased
        biased += to_biased < to_unbiased
    if not results:
        return Statistics((), np.nan, "neither")
    variance = "unbiased" if not biased else "biased" if not unbiased else "neither"
    return Statistics(tuple(results), float(np.median(momenta)) if momenta else 0.0, variance)
