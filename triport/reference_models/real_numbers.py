"""Complex arrays as ONNX has them: two real numbers for each value, on a last axis."""

from __future__ import annotations

import numpy as np


def real_numbers(array: np.ndarray) -> np.ndarray:
    """Return a complex array (...) as its real and imaginary parts (..., 2); another array as it is."""
    if array.dtype.kind != "c":
        return array
    parts = np.stack([array.real, array.imag], axis=-1)
    return np.ascontiguousarray(parts)
