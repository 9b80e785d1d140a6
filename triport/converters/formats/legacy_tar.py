"""What torch.save wrote before 0.1.10, and torchvision published until 2021: a tar of four entries.

`sys_info`, `pickle` (the object, whose tensors are numbers), `tensors` (a header of each: its storage, sizes,
strides and offset) and `storages` (each a header, a count and its bytes). Read by position, nothing unpacked.
Source: legacy_load in torch/serialization.py of torch 2.13; POSIX.1-2001 pax, "ustar Interchange Format".
"""

from __future__ import annotations

import struct
from typing import Any

from triport.converters.formats.legacy_pth import check_byte_order
from triport.converters.formats.pickle_bytes import PickleEndError
from triport.converters.formats.pickled_values import Global, PickledTensor, Storage
from triport.converters.formats.rebuilt_tensors import STORAGES
from triport.converters.formats.references import ReferenceRefusedError
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import ITEM_BYTES, MAX_RANK, MAX_TENSORS
from triport.converters.formats.unpickle import MAX_STEPS, Unpickler

_BLOCK = 512
_ENTRIES = ("sys_info", "pickle", "tensors", "storages")
_MAX_ENTRIES = 64
_MAX_ENTRY_BYTES = 64 * 1024 * 1024
_HEADER_BYTES = 512  # more than the pickle before a storage's values takes


def is_tar(source: SourceFile) -> bool:
    """Return whether a file starts like a tar."""
    return source.head(262)[257:262] == b"ustar"


def entries(source: SourceFile) -> dict[str, tuple[int, int]]:
    """Return the offset and length of each regular file in a tar, by name.

    Raises:
        FormatError: a header is damaged, or there are far more entries than torch wrote.
    """
    found: dict[str, tuple[int, int]] = {}
    position = 0
    for _ in range(_MAX_ENTRIES):
        if position + _BLOCK > source.size:
            return found
        header = source.read(position, _BLOCK)
        if not header.strip(b"\0"):
            return found
        name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
        length = _octal(header[124:136])
        if header[257:262] != b"ustar" or length is None:
            raise FormatError(
                f"{source.path}: the tar has no entry's header at byte {position:,} that torch wrote"
            )
        source.check_range(position + _BLOCK, length, "an entry of the tar")
        if header[156:157] in (b"0", b"\0"):
            if name in found:
                raise FormatError(f"{source.path}: the tar has two entries of one name: damaged or malicious")
            found[name] = position + _BLOCK, length
        position += _BLOCK + -(-length // _BLOCK) * _BLOCK
    return found


def is_torchs(names: dict[str, tuple[int, int]]) -> bool:
    """Return whether a tar has the four entries of a torch file."""
    return set(_ENTRIES) <= set(names)


def read_root(
    source: SourceFile, places: dict[str, tuple[int, int]]
) -> tuple[Any, Unpickler, dict[str, tuple[int, int]]]:
    """Return the pickled object, its interpreter, and each storage's offset and length in the file.

    Raises:
        FormatError: an entry is damaged, or of another byte order.
    """
    path = source.path
    check_byte_order(_pickle(source, places["sys_info"], "sys_info").load(), path)
    storages, ranges, views = _storages(source, *places["storages"])
    try:
        _add_views(storages, views)
        tensors = _tensors(_pickle(source, places["tensors"], "tensors"), storages)
    except (KeyError, TypeError, ValueError, struct.error):
        raise FormatError(
            f"{path}: the tensors' headers and the storages contradict each other: damaged"
        ) from None

    def tensor(identity: Any) -> Any:
        if type(identity) is tuple and identity:
            return identity[0]
        key = _key(identity)
        if key not in tensors:
            raise ReferenceRefusedError("refers to a tensor that is not in the file")
        return tensors[key]

    pickled = _pickle(source, places["pickle"], "pickle", tensor)
    return pickled.load(), pickled, ranges


def _pickle(source: SourceFile, place: tuple[int, int], name: str, references: Any = None) -> Unpickler:
    """Return an interpreter of an entry's pickles."""
    offset, length = place
    if length > _MAX_ENTRY_BYTES:
        raise FormatError(
            f"{source.path}: entry '{name}' has {length:,} bytes; expected at most {_MAX_ENTRY_BYTES:,}: not "
            f"a state dict"
        )
    return Unpickler(source.read(offset, length), source.path, name, references=references)


def _storages(
    source: SourceFile, start: int, length: int
) -> tuple[dict[str, Storage], dict[str, tuple[int, int]], list[Any]]:
    """Return the storages by key, where their bytes are, and the views of them."""
    path, end = source.path, start + length
    position, steps = start, MAX_STEPS

    def load() -> Any:
        nonlocal position, steps
        # the values lie between the pickles, so that each is read with a few bytes more than it has
        size = _HEADER_BYTES
        while True:
            data = source.read(position, min(size, end - position))
            pickles = Unpickler(data, path, "storages", steps=steps)
            try:
                value = pickles.load()
            except PickleEndError:
                if len(data) == end - position or size > _MAX_ENTRY_BYTES:
                    raise
                size *= 8
                continue
            finally:
                steps = pickles.steps_left
            position += pickles.position
            return value

    count = load()
    if type(count) is not int or not 0 <= count <= MAX_TENSORS:
        raise FormatError(f"{path}: the tar's count of storages is none: damaged")
    found: dict[str, Storage] = {}
    ranges: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        header = load()
        if type(header) is not tuple or len(header) != 3 or not isinstance(header[2], Global):
            raise FormatError(f"{path}: the header of a storage at byte {position:,} is none: damaged")
        key, kind = _key(header[0]), header[2]
        dtype = STORAGES.get(kind)
        if dtype is None or key is None or key in found:
            problem = "key" if dtype else f"class ({kind})"
            raise FormatError(
                f"{path}: the storage at byte {position:,} has a {problem} that is not supported"
            )
        source.check_range(position, 8, "the size of a storage")
        items = int.from_bytes(source.read(position, 8), "little")
        size = items * ITEM_BYTES[dtype]
        if position + 8 + size > end:
            raise FormatError(
                f"{path}: a storage at byte {position:,} reaches out of its entry: truncated or damaged"
            )
        found[key] = Storage(key, dtype, items)
        ranges[key] = position + 8, size
        position += 8 + size
    views = load()
    if type(views) is not list or position != end:
        raise FormatError(f"{path}: the end of the storages is not where the tar says: damaged")
    return found, ranges, views


def _tensors(pickles: Unpickler, storages: dict[str, Storage]) -> dict[str, PickledTensor]:
    """Return the tensors by key: a pickle, then the numbers of its sizes, strides and offset."""
    found: dict[str, PickledTensor] = {}
    count = pickles.load()
    if type(count) is not int or count > MAX_TENSORS:
        raise ValueError
    for _ in range(count):
        number, storage_key, _ = pickles.load()
        key = _key(number)
        if key is None or key in found:
            raise ValueError
        data, position = pickles.data, pickles.position
        (rank,) = struct.unpack_from("<i", data, position)
        if not 0 <= rank <= MAX_RANK:
            raise ValueError
        numbers = struct.unpack_from(f"<{2 * rank + 1}q", data, position + 8)
        pickles.position = position + 8 + 8 * len(numbers)
        storage = storages[_key(storage_key) or ""]
        if storage.dtype is None:
            raise TypeError
        found[key] = PickledTensor(
            storage, storage.dtype, numbers[-1], numbers[:rank], numbers[rank : 2 * rank]
        )
    return found


def _add_views(storages: dict[str, Storage], views: list[Any]) -> None:
    """Add the storages that are parts of others: (key, key of the whole, first element, count)."""
    for number, whole, first, count in views:
        key, root = _key(number), storages[_key(whole) or ""]
        if key is None or key in storages or type(first) is not int or type(count) is not int:
            raise ValueError
        if not 0 <= first <= first + count <= root.count - root.start:
            raise ValueError
        storages[key] = Storage(root.key, root.dtype, root.count, root.start + first)


def _key(number: Any) -> str | None:
    """Return a storage's or tensor's number, or the text that a reference makes of it, as a text."""
    return str(number) if type(number) in (int, str) and len(str(number)) < 40 else None


def _octal(text: bytes) -> int | None:
    """Return a tar's number; None where it is written in another way."""
    digits = text.strip(b" \0")
    if len(digits) > 11 or not all(byte in b"01234567" for byte in digits):
        return None
    return int(digits or b"0", 8)
