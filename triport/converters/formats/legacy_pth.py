"""What torch.save wrote before 1.6: pickles one after the other, then the storages.

Source: _legacy_save and _legacy_load in torch/serialization.py of torch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from triport.converters.formats.pickle_bytes import PickleEndError
from triport.converters.formats.references import TorchReferences
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import ITEM_BYTES, short
from triport.converters.formats.unpickle import MAX_PICKLE_BYTES, MAX_STEPS, Unpickler

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # in pickle protocol 2, torch.save's default
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_MAX_MAGIC_BYTES = 64
_PROTOCOL = 1001

T = TypeVar("T")


def magic_end(source: SourceFile) -> int | None:
    """Return where the magic number ends, in whichever pickle protocol; None if it is not there."""
    head = source.head(_MAX_MAGIC_BYTES)
    if head[:1] not in (b"\x80", b"L"):
        return None
    pickles = Unpickler(head, source.path, "the magic number", steps=8)
    try:
        return pickles.position if pickles.load() == _MAGIC_NUMBER else None
    except FormatError:
        return None


def read_pickles(source: SourceFile, start: int, read: Callable[[Unpickler], T]) -> tuple[T, Unpickler]:
    """Return what is read of a file's pickles, and the interpreter after them.

    Args:
        source: the file.
        start: where the first pickle starts.
        read: loads them; called again with more of the file where what there was did not suffice.

    Raises:
        FormatError: they are damaged, or longer than those of any state dict.
    """
    size, steps = 1 << 20, MAX_STEPS
    while True:
        pickles = Unpickler(source.head(size), source.path, "the pickle", start, steps)
        try:
            return read(pickles), pickles
        except PickleEndError:  # the pickles' length is not known before they are read
            if size >= source.size:
                raise
            if size >= MAX_PICKLE_BYTES:
                raise FormatError(
                    f"{source.path}: its pickle has more than {MAX_PICKLE_BYTES:,} bytes: not a state dict"
                ) from None
            size, steps = min(size * 8, MAX_PICKLE_BYTES), pickles.steps_left


def read_root(pickles: Unpickler) -> tuple[Any, list[str]]:
    """Return the pickled object, and the storages' keys in the file's order, from after the magic number on.

    Raises:
        FormatError: the file is damaged or of another byte order or version.
    """
    path = pickles.path
    if pickles.load() != _PROTOCOL:
        raise FormatError(f"{path}: is a torch file of an unknown version; expected {_PROTOCOL}")
    check_byte_order(pickles.load(), path)
    root = pickles.load()
    keys = pickles.load()
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or len(set(keys)) != len(keys)
    ):
        raise FormatError(f"{path}: its list of storages is damaged")
    return root, keys


def check_byte_order(system: Any, path: str) -> None:
    """Raise FormatError unless a file says that it is little-endian."""
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FormatError(
            f"{path}: was written on a big-endian machine; save it again on a little-endian one"
        )


def storage_ranges(
    source: SourceFile, start: int, keys: list[str], references: TorchReferences
) -> tuple[dict[str, tuple[int, int]], int]:
    """Return each storage's offset and length in bytes, and how many zero bytes follow the last.

    Args:
        source: the file.
        start: where the first storage begins.
        keys: the storages in order.
        references: what the pickle says of each.

    Raises:
        FormatError: a storage is cut short, or bytes that are not zero follow the last.
    """
    ranges = {}
    position = start
    for key in keys:
        if key in references.unknown:
            raise FormatError(
                f"{source.path}: has a storage of class {references.unknown[key]}, which is not supported, "
                f"so that the place of those after it is unknown. Save the file again with a newer torch.save"
            )
        if key not in references.storages:
            raise FormatError(
                f"{source.path}: no tensor uses storage '{short(key)}', so its size is unknown: damaged"
            )
        source.check_range(position, 8, f"the size of storage '{short(key)}'")
        count = int.from_bytes(source.read(position, 8), "little")
        dtype = references.storages[key].dtype
        length = count * (ITEM_BYTES[dtype] if dtype else 1)
        position += 8
        source.check_range(position, length, f"storage '{short(key)}'")
        ranges[key] = (position, length)
        position += length
    padding = source.padding_from(position)
    if position + padding != source.size:
        raise FormatError(
            f"{source.path}: {source.size - position:,} bytes follow the last storage from byte {position:,} "
            f"on, as after a second torch.save into one file: which is meant cannot be known. To take the "
            f"first, as torch.load does, cut the rest off: head -c {position} FILE > NEW"
        )
    return ranges, padding
