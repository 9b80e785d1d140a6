"""Tensors of a pickle placed on the bytes of their storages, every bound checked."""

from __future__ import annotations

import math

from triport.converters.formats.lazy_bits import ResolvedTensor
from triport.converters.formats.pickled_values import PickledTensor
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.strided_tensor import StridedTensor
from triport.converters.formats.tensors import (
    ITEM_BYTES,
    Crc32,
    FileTensor,
    Tensor,
    checked_shape,
    short,
)

_MAX_EXPANSION = 16


def tensor_from_view(
    source: SourceFile, name: str, view: PickledTensor, offset: int, length: int, crc: Crc32 | None
) -> Tensor:
    """Return the tensor that a pickle describes: a view of a storage, its lazy bits applied.

    Args:
        source: the file.
        name: of the parameter, for errors.
        view: the tensor in elements of its storage.
        offset: of the storage in the file, in bytes.
        length: of the storage in bytes.
        crc: the storage's checksum, if it has one.

    Raises:
        FormatError: the view reaches outside its storage.
    """
    stored = _stored(source, name, view, offset, length, crc)
    if view.negated or view.conjugated:
        return ResolvedTensor(stored, view.negated, view.conjugated)
    return stored


def _stored(
    source: SourceFile, name: str, view: PickledTensor, offset: int, length: int, crc: Crc32 | None
) -> Tensor:
    """Return the values that a view of a storage shows."""
    path, item = source.path, ITEM_BYTES[view.dtype]
    what = f"{path}: tensor '{short(name)}' {view.dtype}{list(view.shape[:8])}"
    shape = checked_shape(view.shape, view.dtype, path, name)
    stated = view.storage.count * (ITEM_BYTES[view.storage.dtype] if view.storage.dtype else 1)
    if stated != length:
        raise FormatError(
            f"{what}: the pickle says that its storage has {stated:,} bytes, but the file holds {length:,}: "
            f"truncated or damaged"
        )
    if view.offset < 0 or any(stride < 0 for stride in view.strides):
        raise FormatError(f"{what} has a negative offset or stride: the file is damaged or malicious")
    first = view.storage.start + view.offset
    if not math.prod(shape):
        return FileTensor(source, shape, view.dtype, (), crc)
    extent = 1 + sum((size - 1) * stride for size, stride in zip(shape, view.strides, strict=True))
    if (first + extent) * item > length:
        raise FormatError(
            f"{what} reaches to byte {(first + extent) * item:,} of its storage, which has {length:,}: "
            f"damaged or malicious"
        )
    start = offset + first * item
    if _is_contiguous(shape, view.strides):
        return FileTensor(source, shape, view.dtype, ((start, math.prod(shape) * item),), crc)
    return StridedTensor(source, shape, view.dtype, start, view.strides, crc)


def check_expansion(source: SourceFile, tensors: dict[str, Tensor], beside: int = 0) -> None:
    """Raise FormatError if many tensors share few bytes, so that a copy would be far larger than the file.

    Args:
        source: the file.
        tensors: all that it holds.
        beside: the size of other files that hold payloads, in bytes.
    """
    total = sum(tensor.nbytes for tensor in tensors.values())
    if total > _MAX_EXPANSION * (source.size + beside):
        raise FormatError(
            f"{source.path}: its tensors have {total:,} bytes together, more than {_MAX_EXPANSION} times the "
            f"file's {source.size:,}: they show the same stored values many times, and could fill the "
            f"memory. If the file is right, save it with each tensor cloned (.clone())"
        )


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Return whether a view's elements lie in C order without gaps."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
