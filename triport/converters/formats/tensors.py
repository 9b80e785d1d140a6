"""What a checkpoint holds: named tensors whose bytes are read only when they are asked for."""

from __future__ import annotations

import json
import math
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triport.converters.formats.source import CHUNK_BYTES, FormatError, SourceFile
from triport.reference_models.errors import counted

if TYPE_CHECKING:
    import numpy as np

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
}
FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
MAX_RANK = 32  # numpy's; torch and MindSpore stop earlier
MAX_TENSORS = 20_000  # the largest real files have a few thousand; these are read in under a second
NO_CHECKSUM = "the file has no CRC to check it by"
CHECKSUM_RIGHT = "the file's CRC is right"


class Tensor(ABC):
    """A tensor by shape and dtype; its payload is little-endian, C-contiguous, and read in pieces.

    Attributes:
        shape: the dimensions; () is a scalar.
        dtype: a key of ITEM_BYTES.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of the payload in bytes."""
        return self.count * ITEM_BYTES[self.dtype]

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order, in pieces of at most CHUNK_BYTES."""

    def fill(self, buffer: bytearray) -> Iterator[int]:
        """Put the payload into a buffer of CHUNK_BYTES or more, piece after piece.

        Faster than `chunks` where each piece is done with before the next is asked for.

        Yields:
            How many bytes of the buffer a piece takes.
        """
        for chunk in self.chunks():
            buffer[: len(chunk)] = chunk
            yield len(chunk)

    def numpy(self) -> np.ndarray:
        """Return the values as a new array (bfloat16 and float8 by way of ml_dtypes)."""
        import numpy as np

        array = np.empty(self.nbytes, np.uint8)
        position = 0
        for chunk in self.chunks():
            array[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
            position += len(chunk)
        return array.view(numpy_dtype(self.dtype)).reshape(self.shape)

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield the values in order, as flat arrays of at most CHUNK_BYTES."""
        import numpy as np

        dtype = numpy_dtype(self.dtype)
        rest = b""
        for chunk in self.chunks():
            chunk = rest + chunk if rest else chunk  # a .ckpt's slices may end inside a value
            whole = len(chunk) - len(chunk) % dtype.itemsize
            rest = chunk[whole:]
            yield np.frombuffer(chunk, dtype, whole // dtype.itemsize)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dtype}{list(self.shape)})"


@dataclass
class Crc32:
    """The checksum of a range of a file, compared no later than its bytes are used.

    Attributes:
        source: the file.
        offset: where the range starts.
        length: its size in bytes.
        expected: the checksum that the file states.
        label: what the range is, for the error.
        checked: whether it has been found right.
    """

    source: SourceFile
    offset: int
    length: int
    expected: int
    label: str
    checked: bool = False

    def compare(self, found: int) -> None:
        """Raise FormatError unless the checksum is the expected one."""
        if found != self.expected:
            raise FormatError(
                f"{self.source.path}: CRC-32 of {self.label} is {found:#010x}, but the file states "
                f"{self.expected:#010x}: the file is damaged; get it again"
            )
        self.checked = True

    def check(self) -> None:
        """Read the range and compare, unless that was done before."""
        if not self.checked:
            found = 0
            for chunk in self.source.chunks(self.offset, self.length):
                found = zlib.crc32(chunk, found)
            self.compare(found)


class FileTensor(Tensor):
    """A tensor whose payload is one or more byte ranges of a file, one after the other."""

    def __init__(
        self,
        source: SourceFile,
        shape: tuple[int, ...],
        dtype: str,
        ranges: tuple[tuple[int, int], ...],
        crc: Crc32 | None = None,
    ) -> None:
        """Describe a tensor in a file.

        Args:
            source: the file.
            shape: the dimensions.
            dtype: a key of ITEM_BYTES.
            ranges: (offset, length) of each piece of the payload.
            crc: the checksum of a range that holds the payload, if there is one.
        """
        self.source = source
        self.shape = shape
        self.dtype = dtype
        self.ranges = ranges
        self.crc = crc

    def numpy(self) -> np.ndarray:
        """Return the values as a new array, into which they are read at once where there is no checksum."""
        import numpy as np

        if self.crc is not None or sum(length for _, length in self.ranges) != self.nbytes:
            return super().numpy()
        array = np.empty(self.nbytes, np.uint8)
        position = 0
        for offset, length in self.ranges:
            for size in self.source.fill(array.data[position : position + length], offset, length):
                position += size
        return array.view(numpy_dtype(self.dtype)).reshape(self.shape)

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order; the last piece only if the checksum is right."""
        crc = self.crc
        if crc is not None and not crc.checked and self.ranges == ((crc.offset, crc.length),):
            found = 0
            left = crc.length
            for chunk in self.source.chunks(crc.offset, crc.length):
                found = zlib.crc32(chunk, found)
                left -= len(chunk)
                if not left:
                    crc.compare(found)
                yield chunk
            return
        if crc is not None:
            crc.check()
        for offset, length in self.ranges:
            yield from self.source.chunks(offset, length)

    def fill(self, buffer: bytearray) -> Iterator[int]:
        """Put the payload into a buffer, piece after piece; the last only if the checksum is right.

        Raises:
            FormatError: the checksum is wrong, or the file was changed since it was opened.
        """
        crc = self.crc
        if crc is not None and not crc.checked and self.ranges == ((crc.offset, crc.length),):
            found = 0
            left = crc.length
            for size in self.source.fill(buffer, crc.offset, crc.length):
                with memoryview(buffer)[:size] as piece:
                    found = zlib.crc32(piece, found)
                left -= size
                if not left:
                    crc.compare(found)
                yield size
        else:
            if crc is not None:
                crc.check()
            for offset, length in self.ranges:
                yield from self.source.fill(buffer, offset, length)


class ArrayTensor(Tensor):
    """A tensor whose values are a NumPy array in memory."""

    def __init__(self, array: np.ndarray) -> None:
        """Take an array of any layout and byte order; it is not copied until it must be.

        Raises:
            FormatError: the array's dtype is none of ITEM_BYTES.
        """
        self.array = array
        self.shape = tuple(int(size) for size in array.shape)
        self.dtype = str(array.dtype.name)
        if self.dtype not in ITEM_BYTES:
            raise FormatError(
                f"no checkpoint holds values of dtype {self.dtype}; expected one of {', '.join(ITEM_BYTES)}"
            )

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in order."""
        import numpy as np

        array = np.ascontiguousarray(self.array)
        if array.dtype.byteorder == (">" if sys.byteorder == "little" else "="):
            array = array.astype(array.dtype.newbyteorder("<"))
        yield from _array_chunks(array)

    def numpy(self) -> np.ndarray:
        """Return the array itself."""
        return self.array


def _array_chunks(array: np.ndarray) -> Iterator[bytes]:
    """Yield the bytes of a C-contiguous array in pieces."""
    import numpy as np

    flat = array.reshape(-1).view(np.uint8)
    for start in range(0, flat.size, CHUNK_BYTES):
        yield flat[start : start + CHUNK_BYTES].tobytes()


def numpy_dtype(dtype: str) -> np.dtype:
    """Return NumPy's dtype for a key of ITEM_BYTES."""
    import numpy as np

    if dtype == "bfloat16" or dtype.startswith("float8"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))
    return np.dtype(dtype)


def same_payload(left: Tensor, right: Tensor) -> bool:
    """Return whether two tensors have the same shape, dtype and bytes; reads both in pieces."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    mine, theirs = left.chunks(), right.chunks()
    a = b = b""
    while True:
        a = a or next(mine, b"")
        b = b or next(theirs, b"")
        if not a or not b:
            return not a and not b
        size = min(len(a), len(b))
        if len(a) == len(b):
            equal, a, b = a == b, b"", b""
        else:
            equal, a, b = a[:size] == b[:size], a[size:], b[size:]
        if not equal:
            return False


def checked_shape(dims: list[int] | tuple[int, ...], dtype: str, path: str, name: str) -> tuple[int, ...]:
    """Return the dimensions as a shape, if they can be those of a tensor.

    Raises:
        FormatError: too many dimensions, a negative one, or more bytes than any file has.
    """
    if len(dims) > MAX_RANK or any(size < 0 for size in dims):
        raise FormatError(
            f"{path}: tensor '{short(name)}' has {counted(len(dims), 'dimension')} {list(dims[:8])}; "
            f"expected at most {MAX_RANK}, none negative: no such tensor is read"
        )
    product = 1
    for size in dims:
        product *= size or 1
        if product * ITEM_BYTES[dtype] >= 2**63:
            raise FormatError(
                f"{path}: tensor '{short(name)}' states an absurd shape {list(dims[:8])}: the file is damaged"
            )
    return tuple(dims)


def short(name: str, limit: int = 120) -> str:
    """Return a name for a message: printable, and cut where it is longer than any real one."""
    text = name if len(name) <= limit else name[:limit] + "..."
    return text if text.isprintable() else ascii(text)[1:-1]


def as_stated(value: Any) -> str:
    """Return a value of a JSON or YAML document as JSON writes it, for a message: printable, and cut."""
    return short(json.dumps(value, default=str))


@dataclass(frozen=True)
class Dropped:
    """Something in a file that is no tensor of the model, and why it was left out."""

    name: str
    reason: str


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: the file.
        format: "ckpt", "pth", "safetensors" or "onnx".
        runtime: whose file it is: "mindspore", "pytorch" or "onnx".
        tensors: by name, in the file's order.
        metadata: texts that the file carries; those that triport wrote under the names it wrote.
        dropped: what the file holds beside the model's tensors.
        notes: what the reader decided, in words for the user.
        integrity: what says that the file is undamaged, or that nothing does.
        producer: what wrote the file, as far as the file says.
        statements: texts and numbers that a training script saved beside the weights, by dotted path.
        files: the paths of other files that hold payloads of its tensors.
        copies: names by which a graph calls another tensor too, each with that tensor's own name.
    """

    path: str
    format: str
    runtime: str
    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    integrity: str = NO_CHECKSUM
    producer: str | None = None
    statements: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
