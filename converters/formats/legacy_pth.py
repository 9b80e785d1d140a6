"""What torch.save wrote before 1.6: pickles one after the other, then the storages.

Source: _legacy_save and _legacy_load in torch/serialization.py of torch 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.formats.allowed_calls import Storage
from converters.formats.source import FormatError, SourceFile
from converters.formats.tensors import ITEM_BYTES, short
from converters.formats.unpickle import MAX_PICKLE_BYTES, MAX_STEPS, PickleEndError, Unpickler

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PROTOCOL = 1001


def read_root(source: SourceFile) -> tuple[Any, Unpickler, list[str]]:
    """Return the pickled object, the interpreter after it, and the storages' keys in the file's order.

    Raises:
        FormatError: the file is damaged or of another byte order or version.
    """
    path = source.path
    size, steps = 1 << 20, MAX_STEPS
    while True:
        pickles = Unpickler(source.head(size), path, "the pickle", len(MAGIC), steps)
        try:
            return _read_root(pickles, path)
        except PickleEndError:  # the pickles' length is not known before they are read
            if size >= min(MAX_PICKLE_BYTES, source.size):
                raise
            size, steps = size * 8, pickles.steps_left


def _read_root(pickles: Unpickler, path: str) -> tuple[Any, Unpickler, list[str]]:
    """Return what `read_root` does from the first bytes of a file."""
    if pickles.load() != _PROTOCOL:
        raise FormatError(f"{path}: is a torch file of an unknown version; expected {_PROTOCOL}")
    system = pickles.load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FormatError(
            f"{path}: was written on a big-endian machine; save it again on a little-endian one"
        )
    root = pickles.load()
    keys = pickles.load()
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or len(set(keys)) != len(keys)
    ):
        raise FormatError(f"{path}: its list of storages is damaged")
    return root, pickles, keys


def storage_ranges(
    source: SourceFile, start: int, keys: list[str], storages: Mapping[str, Storage]
) -> dict[str, tuple[int, int]]:
    """Return each storage's offset and length in bytes.

    Args:
        source: the file.
        start: where the first storage begins.
        keys: the storages in order.
        storages: what the pickle says of each, by key.

    Raises:
        FormatError: a storage is cut short, or bytes follow the last.
    """
    ranges = {}
    position = start
    for key in keys:
        if key not in storages:
            raise FormatError(
                f"{source.path}: no tensor uses storage '{short(key)}', so its size is unknown: damaged"
            )
        source.check_range(position, 8, f"the size of storage '{short(key)}'")
        count = int.from_bytes(source.read(position, 8), "little")
        dtype = storages[key].dtype
        length = count * (ITEM_BYTES[dtype] if dtype else 1)
        position += 8
        source.check_range(position, length, f"storage '{short(key)}'")
        ranges[key] = (position, length)
        position += length
    if position != source.size:
        raise FormatError(
            f"{source.path}: {source.size - position:,} bytes follow the last storage from byte {position:,} "
            f"on: damaged"
        )
    return ranges
