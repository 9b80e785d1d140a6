"""The verdict on a candidate's outputs, all of which are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from triport.reference_models.errors import TriportError
from triport.reference_models.network import Arrays
from triport.reference_models.real_numbers import real_numbers

from .difference import distance, largest_value, relative, without
from .tolerance import share_of, worst_of


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
        return share_of(self.needed_tolerance, self.tolerance)


def compare(
    reference: np.ndarray,
    candidate: np.ndarray,
    tolerance: float,
    output: str = "logits",
    unsure: np.ndarray | None = None,
) -> Comparison:
    """Compare an output with that of the reference: max|a-b| / max|reference| <= tolerance.

    Args:
        reference: of any rank and dtype.
        candidate: likewise.
        tolerance: relative to the reference's largest value.
        output: its name, for the message.
        unsure: where not to compare: whole numbers that hang on a rounding.

    Raises:
        ComparisonError: the shapes differ, or there is nothing to compare.
    """
    reference, candidate = real_numbers(reference), real_numbers(candidate)
    if reference.shape != candidate.shape or reference.size == 0:
        raise ComparisonError(
            f"{output} cannot be compared: the reference has shape {reference.shape}, the candidate "
            f"{candidate.shape}; both must be the same, and not empty"
        )
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    if unsure is not None:
        a, b = without(a, unsure), without(b, unsure)
    top1 = a.ndim == 2 and a.shape[1] > 1 and reference.dtype.kind == "f"
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Comparison(np.inf, np.inf, np.inf, tolerance, 0.0 if top1 else None, False)
    max_abs = distance(a, b)
    max_rel = relative(max_abs, largest_value(a))
    agreement = float((a.argmax(1) == b.argmax(1)).mean()) if top1 else None
    return Comparison(max_abs, max_rel, max_rel, tolerance, agreement, max_rel <= tolerance)


def compare_outputs(
    reference: Arrays,
    candidate: Arrays,
    allowed: Mapping[str, float],
    unsure: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Comparison]:
    """Compare every output with the reference's, each within what is allowed for it.

    `unsure` are the places of an output that hang on a rounding, and are not compared.

    Raises:
        ComparisonError: an output cannot be compared.
    """
    unsure = unsure or {}
    return {
        name: compare(array, candidate[name], allowed[name], name, unsure.get(name))
        for name, array in reference.items()
    }


def deciding(outputs: Mapping[str, Comparison]) -> str:
    """Return the output that needs most of its tolerance, which decides."""
    found = outputs.values()
    place = worst_of([one.needed_tolerance for one in found], [one.tolerance for one in found])
    return list(outputs)[place]
