"""The watch for NaN and Inf in a checkpoint's values, while they are copied, and for what makes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from triport.converters.formats import FLOATS, Tensor


class NotFiniteError(Exception):
    """A value that is NaN or Inf, met while a tensor was being copied."""


class FiniteTensor(Tensor):
    """A float tensor that is watched while its payload is read for the first time."""

    def __init__(self, tensor: Tensor) -> None:
        """Watch a tensor."""
        self.tensor = tensor
        self.shape, self.dtype = tensor.shape, tensor.dtype
        self._seen = self.dtype not in FLOATS  # then there is nothing left to look for

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order.

        Raises:
            NotFiniteError: it has NaN or Inf in it.
        """
        position = 0
        for chunk in self.tensor.chunks():
            self._watch(chunk, len(chunk), position)
            position += len(chunk)
            yield chunk
        self._seen = True

    def fill(self, buffer: bytearray) -> Iterator[int]:
        """Put the payload into a buffer, piece after piece.

        Raises:
            NotFiniteError: it has NaN or Inf in it.
        """
        position = 0
        for size in self.tensor.fill(buffer):
            self._watch(buffer, size, position)
            position += size
            yield size
        self._seen = True

    def _watch(self, data: bytes | bytearray, size: int, position: int) -> None:
        """Look at a piece; all values are counted at the first that raises a suspicion."""
        if not self._seen and (self.dtype != "float32" or _may_be_not_finite(data, size, position)):
            if count_not_finite(self.tensor):
                raise NotFiniteError
            self._seen = True


def least(tensor: Tensor) -> float:
    """Return the least value of a float tensor, 0 if none is below; NumPy is imported for those alone."""
    signs = (
        (max(chunk[3::4], default=0) for chunk in tensor.chunks()) if tensor.dtype == "float32" else (0x80,)
    )
    if max(signs, default=0) < 0x80:
        return 0.0
    return min((float(values.min()) for values in tensor.arrays() if values.size), default=0.0)


def why_not_finite(tensors: Collection[Tensor]) -> str:
    """Return what may have made NaN or Inf in these tensors, and what to do."""
    narrow = any(tensor.dtype == "float16" for tensor in tensors)
    rounded = "a value was beyond 65504 when it was stored as float16, " if narrow else ""
    return f"The training diverged, {rounded}or the file is damaged: take another checkpoint"


def _may_be_not_finite(data: bytes | bytearray, size: int, position: int) -> bool:
    """Return whether float32 values may have NaN or Inf among them; without importing NumPy.

    Args:
        data: starts with a piece of a little-endian payload; a bytearray is twice as fast as bytes.
        size: of the piece.
        position: where in the payload it starts.
    """
    # sign and the exponent's upper seven bits; all ones from 1.7e38 on
    high = data[(3 - position) % 4 : size : 4]
    return b"\x7f" in high or b"\xff" in high


def count_not_finite(tensor: Tensor) -> int:
    """Return how many values of a float tensor are NaN or Inf."""
    import numpy as np

    if tensor.dtype == "float32":
        position, suspicious = 0, False
        for chunk in tensor.chunks():
            suspicious = suspicious or _may_be_not_finite(chunk, len(chunk), position)
            position += len(chunk)
        if not suspicious:
            return 0
    return sum(int(values.size - np.count_nonzero(np.isfinite(values))) for values in tensor.arrays())
