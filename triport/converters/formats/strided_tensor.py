"""A tensor whose elements lie in another order in the file than a program wants them."""

from __future__ import annotations

from collections.abc import Iterator

from triport.converters.formats.source import CHUNK_BYTES, SourceFile
from triport.converters.formats.tensors import ITEM_BYTES, Crc32, Tensor


class StridedTensor(Tensor):
    """A view of a storage in a file whose elements do not lie in C order (transposed, expanded)."""

    def __init__(
        self,
        source: SourceFile,
        shape: tuple[int, ...],
        dtype: str,
        offset: int,
        strides: tuple[int, ...],
        crc: Crc32 | None = None,
    ) -> None:
        """Describe a view.

        Args:
            source: the file.
            shape: the dimensions.
            dtype: a key of ITEM_BYTES.
            offset: of the first element in the file, in bytes.
            strides: of each dimension, in elements, none negative.
            crc: the checksum of the storage, if there is one.
        """
        self.source = source
        self.shape = shape
        self.dtype = dtype
        self.offset = offset
        self.strides = strides
        self.crc = crc

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in C order.

        Rows that lie one after the other in the file are read some at a time. Others (a transposed
        matrix) need the view's whole extent in memory.
        """
        if not self.nbytes:
            return
        if self.crc is not None:
            self.crc.check()
        # no step is taken along a dimension of one element: a file may give any stride there
        steps = [(size, stride) for size, stride in zip(self.shape, self.strides, strict=True) if size != 1]
        yield from self._rows(self.offset, tuple(n for n, _ in steps), tuple(stride for _, stride in steps))
        self.source.check_unchanged()

    def _rows(self, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Iterator[bytes]:
        """Yield the payload of a part of the view that starts at a byte of the file."""
        item = ITEM_BYTES[self.dtype]
        row = _extent(shape[1:], strides[1:])
        if not shape or strides[0] < row or _extent(shape, strides) * item <= CHUNK_BYTES:
            yield from self._gathered(offset, shape, strides)
            return
        step = strides[0] * item
        count = CHUNK_BYTES // step
        for first in range(0, shape[0], count or 1):
            if count:
                some = (min(count, shape[0] - first), *shape[1:])
                yield from self._gathered(offset + first * step, some, strides)
            else:
                yield from self._rows(offset + first * step, shape[1:], strides[1:])

    def _gathered(self, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Iterator[bytes]:
        """Yield the payload of a part of the view whose extent is read at once."""
        import numpy as np

        item = ITEM_BYTES[self.dtype]
        buffer = np.frombuffer(self.source.read(offset, _extent(shape, strides) * item), f"V{item}")
        view = np.lib.stride_tricks.as_strided(
            buffer, shape, [stride * item for stride in strides], writeable=False
        )
        flat = view.flat  # C order, copied a piece at a time
        for start in range(0, view.size, CHUNK_BYTES // item):
            yield flat[start : start + CHUNK_BYTES // item].tobytes()


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Return how many elements lie from a view's first to its last."""
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
