"""How far two arrays are apart, relative to the largest value of the right one, in float64."""

from __future__ import annotations

import numpy as np

from triport.reference_models.real_numbers import real_numbers


def numbers(array: np.ndarray) -> np.ndarray:
    """Return an array in float64, a complex one (...) as its two parts (..., 2)."""
    return real_numbers(np.asarray(array)).astype(np.float64, copy=False)


def largest_value(array: np.ndarray) -> float:
    """Return the largest absolute value; 0 of an empty array, not finite where a value is not."""
    return float(np.abs(numbers(array)).max(initial=0.0))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return max|a - b|; NaN where either has one."""
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN
        return float(np.abs(numbers(a) - numbers(b)).max(initial=0.0))


def relative(apart: float, largest: float) -> float:
    """Return a distance as a share of the largest value; infinite where it is no finite number."""
    if apart == 0:
        return 0.0
    return apart / largest if np.isfinite(apart) and largest > 0 else np.inf


def difference(found: np.ndarray, right: np.ndarray) -> float:
    """Return max|found - right| / max|right|, of the places where the right array is finite.

    Infinite where the shapes differ, where NaN and infinity are not in the same places, and where nothing but
    zeros is right and something else was found.
    """
    found, right = numbers(found), numbers(right)
    if found.shape != right.shape:
        return np.inf
    finite = np.isfinite(right)
    if not np.array_equal(found[~finite], right[~finite], equal_nan=True):
        return np.inf
    return relative(distance(found[finite], right[finite]), largest_value(right[finite]))


def without(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return an array with zeros in some places, which are then alike in all arrays."""
    return np.where(places, np.zeros((), array.dtype), array)
