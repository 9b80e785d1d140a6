"""PyTorch's lazy negative and conjugate: a bit says that a tensor's values are not the stored ones.

Source: torch/_utils.py (set_tensor_metadata), aten/src/ATen/native/NegateFallback.cpp, ConjugateFallback.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator

from triport.converters.formats.tensors import FLOATS, ITEM_BYTES, Tensor


class ResolvedTensor(Tensor):
    """A tensor whose values are the negatives, or the conjugates, or both, of those that are stored."""

    def __init__(self, stored: Tensor, negated: bool, conjugated: bool) -> None:
        """Describe a tensor.

        Args:
            stored: the values in the file, read in pieces that hold whole ones.
            negated: whether the sign of each value, or of both its parts, is the opposite.
            conjugated: whether the imaginary part's sign is the opposite; for complex values.
        """
        self.stored = stored
        self.shape = stored.shape
        self.dtype = stored.dtype
        self.negated = negated
        self.conjugated = conjugated

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order."""
        import numpy as np

        is_complex = self.dtype.startswith("complex")
        item = ITEM_BYTES[self.dtype] // (2 if is_complex else 1)
        for chunk in self.stored.chunks():
            bits = np.frombuffer(chunk, f"<u{item}").copy()
            # a float's sign is its first bit, NaN's too; conjugate after negative changes the real part only
            flips = np.array(1 << (8 * item - 1), bits.dtype)
            if is_complex:
                if self.negated:
                    bits[0::2] ^= flips
                if self.negated != self.conjugated:
                    bits[1::2] ^= flips
            elif self.dtype in FLOATS:
                bits ^= flips
            else:
                bits = -bits  # two's complement, as torch's own
            yield bits.tobytes()
