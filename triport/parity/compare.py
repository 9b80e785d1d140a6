"""The verdict on two sets of outputs. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays


class ComparisonError(TriportError):
    """The two sides cannot be compared at all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a candidate is from the reference; relative values are of the output's largest reference value.

    `needed_tolerance` is the smallest tolerance that passes: infinite where NaN or Inf makes every
    tolerance fail. `top1_agreement` is a fraction of the rows, None where an output is no (N, classes).
    """

    max_abs: float
    max_rel: float
    needed_tolerance: float
    tolerance: float
    top1_agreement: float | None
    passed: bool

    @property
    def share(self) -> float:
        """How much of its tolerance it needs; what needs most decides."""
        if self.needed_tolerance == 0:
            return 0.0
        return self.needed_tolerance / self.tolerance if self.tolerance else np.inf


def compare(
    reference: np.ndarray, candidate: np.ndarray, tolerance: float, output: str = "logits"
) -> Comparison:
    """Compare an output with that of the reference: max|a-b| / max|reference| <= tolerance.

    Args:
        reference: of any rank and dtype.
        candidate: likewise.
        tolerance: relative to the reference's largest value.
        output: its name, for the message.

    Raises:
        ComparisonError: the shapes differ, or there is nothing to compare.
    """
    if reference.shape != candidate.shape or reference.size == 0:
        raise ComparisonError(
            f"{output} cannot be compared: the reference has shape {reference.shape}, the candidate "
            f"{candidate.shape}; both must be the same, and not empty"
        )
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    top1 = a.ndim == 2 and a.shape[1] > 1 and reference.dtype.kind == "f"
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Comparison(np.inf, np.inf, np.inf, tolerance, 0.0 if top1 else None, False)
    max_abs = float(np.abs(a - b).max())
    largest = float(np.abs(a).max())
    max_rel = 0.0 if max_abs == 0 else max_abs / largest if largest > 0 else np.inf
    agreement = float((a.argmax(1) == b.argmax(1)).mean()) if top1 else None
    return Comparison(max_abs, max_rel, max_rel, tolerance, agreement, max_rel <= tolerance)


def compare_outputs(
    reference: Arrays, candidate: Arrays, allowed: Mapping[str, float]
) -> dict[str, Comparison]:
    """Compare every output with the reference's, each within what is allowed for it.

    Raises:
        ComparisonError: an output cannot be compared.
    """
    return {name: compare(array, candidate[name], allowed[name], name) for name, array in reference.items()}


def deciding(outputs: Mapping[str, Comparison]) -> str:
    """Return the output that needs most of its tolerance, which decides."""
    return max(outputs, key=lambda name: (not outputs[name].passed, outputs[name].share))
