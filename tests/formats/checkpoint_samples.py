"""Small checkpoints that the tests of the formats share."""

from __future__ import annotations

import numpy as np

from triport.converters.formats import Tensor, formats

# every (format, runtime, suffix) that is written: a new format is tested without being named here
WRITTEN = [
    (name, runtime, suffix)
    for name, module in formats().items()
    for runtime, suffixes in module.WRITES.items()
    for suffix in suffixes
]


def array(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random bits as an array of a dtype; booleans are 0 and 1."""
    from triport.converters.formats.tensors import ITEM_BYTES, numpy_dtype

    count = int(np.prod(shape, dtype=np.int64)) * ITEM_BYTES[dtype]
    bits = np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 256, count, np.uint8)
    return bits.view(numpy_dtype(dtype)).reshape(shape)


def payload(tensor: Tensor) -> bytes:
    return b"".join(tensor.chunks())
