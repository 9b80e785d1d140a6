"""Errors as a sentence says them: an infinite one is no number."""

from __future__ import annotations

import math

BEYOND = "more than any tolerance"  # NaN or Inf, another shape, or a reference of zeros and something else


def size_of(error: float) -> str:
    """Return an error as a number, or in words where it is NaN (not known) or infinite."""
    if math.isnan(error):
        return "not known"
    return f"{error:.1e}" if math.isfinite(error) else BEYOND


def share_of_largest(error: float, largest: str) -> str:
    """Return a relative error with what it is relative to: "3.1e-04 of the largest logit"."""
    return f"{error:.1e} of {largest}" if math.isfinite(error) else size_of(error)
