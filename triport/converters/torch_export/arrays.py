"""A tensor's values in NumPy, with what PyTorch has not yet computed of them."""

from __future__ import annotations

from typing import Any

import numpy as np


def array_of(tensor: Any) -> np.ndarray:
    """Return a tensor's values; NumPy has no lazy negative and conjugate bits, so they are applied.

    Where the tensor is on the processor and has no such bit, the array shares its memory.
    """
    found: np.ndarray = tensor.detach().resolve_conj().resolve_neg().cpu().numpy()
    return found
