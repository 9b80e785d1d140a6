"""How far two outputs are apart, relative to the largest value of the right one."""

from __future__ import annotations

import numpy as np


def where_finite(found: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both without what MindSpore gives no finite number for: how kernels overflow differs."""
    if reference.dtype.kind != "f":
        return found, reference
    lost = ~np.isfinite(reference)
    return np.where(lost, 0, found), np.where(lost, 0, reference)


def largest_difference(found: np.ndarray, reference: np.ndarray) -> float:
    """Return max|found - reference| / max|reference|; NaN and infinity must be in the same places."""
    if found.size == 0:
        return 0.0
    found, reference = (array.astype(np.float64) for array in (found, reference))
    finite = np.isfinite(reference)
    if not np.array_equal(found[~finite], reference[~finite], equal_nan=True):
        return float("inf")
    difference = np.abs(np.where(finite, found, 0) - np.where(finite, reference, 0)).max()
    if not np.isfinite(difference):
        return float("inf")
    return float(difference / max(np.abs(reference[finite]).max(initial=0), 1e-30))


def largest_move(found: np.ndarray, reference: np.ndarray) -> float:
    """Return the largest difference where both are finite: noise is measured, not excused, elsewhere."""
    if found.shape != reference.shape:
        return 0.0
    both = np.isfinite(found) & np.isfinite(reference)
    return largest_difference(np.where(both, found, 0), np.where(both, reference, 0))
