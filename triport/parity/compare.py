"""The verdict on two sets of logits. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triport.reference_models.errors import TriportError


class ComparisonError(TriportError):
    """The two sides cannot be compared at all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a candidate is from the reference; relative values are of the largest reference logit.

    `needed_tolerance` is the smallest tolerance that passes: infinite where NaN or Inf makes every
    tolerance fail. `top1_agreement` is a fraction of the rows.
    """

    max_abs: float
    max_rel: float
    needed_tolerance: float
    tolerance: float
    top1_agreement: float
    passed: bool


def compare(reference: np.ndarray, candidate: np.ndarray, tolerance: float) -> Comparison:
    """Compare logits (N, classes) with those of the reference: max|a-b| / max|reference| <= tolerance.

    Raises:
        ComparisonError: the shapes differ, or there is nothing to compare.
    """
    if reference.shape != candidate.shape or reference.ndim != 2 or reference.size == 0:
        raise ComparisonError(
            f"logits cannot be compared: the reference has shape {reference.shape}, the candidate "
            f"{candidate.shape}; both must be the same (N, classes)"
        )
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Comparison(np.inf, np.inf, np.inf, tolerance, 0.0, False)
    max_abs = float(np.abs(a - b).max())
    largest = float(np.abs(a).max())
    max_rel = 0.0 if max_abs == 0 else max_abs / largest if largest > 0 else np.inf
    agreement = float((a.argmax(1) == b.argmax(1)).mean())
    return Comparison(max_abs, max_rel, max_rel, tolerance, agreement, max_rel <= tolerance)
