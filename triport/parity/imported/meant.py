"""The number that one of float32 stands for, where that is a root or a constant of mathematics.

A graph holds 1.4142135 where a framework's GELU has the root of two in float64: they are one function, and in
float64 1.7e-8 apart.
"""

from __future__ import annotations

import math

import numpy as np

_LARGEST = 4096  # of what a root is taken
_OTHERS = {np.float32(number): number for number in (math.sqrt(2 / math.pi), 0.044715)}


def meant(number: float) -> float:
    """Return the root of which one of float32 is the nearest; itself where that is of no whole number.

    A number that is a fraction too stays: what is stated in an attribute is one, and is rounded to float32.
    """
    stored = np.float32(number)
    if stored in _OTHERS:
        return _OTHERS[stored]
    size = abs(float(stored))
    if not 1 / _LARGEST < size < _LARGEST or size == 1:
        return float(stored)
    for power in (2, -2, 4, -4):
        whole = round(size**power)
        if 1 < whole <= _LARGEST and math.isqrt(whole) ** 2 != whole:
            root = whole ** (1 / power)
            if np.float32(root) == np.float32(size):
                return math.copysign(root, number)
    return float(stored)
