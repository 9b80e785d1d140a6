"""PyTorch checkpoints (.pth, .pt): a stored zip with a pickle and one record per storage.

The pickle is interpreted, never executed (unpickle.py). What torch wrote before 1.6 (legacy_pth.py) and
before 0.1.10 (legacy_tar.py) is read too, and so are pickles of NumPy arrays (numpy_arrays.py).
Source: torch/serialization.py and caffe2/serialize/inline_container.cc of torch 2.13.
"""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from triport.converters.formats import legacy_pth, legacy_tar
from triport.converters.formats.archives import tar_of_others, zip_without_pickle
from triport.converters.formats.atomic import Output
from triport.converters.formats.bare_pickles import not_a_state_dict
from triport.converters.formats.beside import stated_beside
from triport.converters.formats.legacy_tar import is_tar
from triport.converters.formats.numpy_arrays import arrays_as_tensors
from triport.converters.formats.pickled_values import PickledTensor
from triport.converters.formats.source import FormatError, SourceFile, padding_note
from triport.converters.formats.state_dicts import choose_state_dict
from triport.converters.formats.tensors import Checkpoint, Tensor, short
from triport.converters.formats.unpickle import MAX_PICKLE_BYTES, MAX_STEPS, STEPS_A_TENSOR, Unpickler
from triport.converters.formats.views import check_expansion, tensor_from_view
from triport.converters.formats.zip_records import Record, ZipWriter, check_stored, read_records

FORMAT = "pth"
WRITES = {"pytorch": (".pth", ".pt")}
OPTIONS: tuple[str, ...] = ()
KEYS = True

# torch takes the root from the file's name; ours is fixed, so that a renamed file is the same file
_ROOT = "archive"
_METADATA = "triport.json"
_MAX_METADATA_BYTES = 1 << 20
_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}
_UNTYPED = ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")


def sniff(source: SourceFile) -> bool:
    """Return whether a file is a zip, a torch file of the old kind, or another pickle or tar."""
    head = source.head(265)
    return (
        head[:4] in (b"PK\x03\x04", b"PK\x05\x06")
        or _is_pickle(head)
        or is_tar(source)
        or legacy_pth.magic_end(source) is not None
    )


def open(source: SourceFile, key: str | None = None) -> Checkpoint:
    """Read the directory and the pickle; each payload's CRC is checked when it is read.

    Args:
        source: the file.
        key: where the state dict lies in what was pickled; None finds it.

    Raises:
        FormatError: the file is damaged, unsafe, no torch checkpoint, or holds no state dict.
    """
    if is_tar(source):
        return _open_tar(source, key)
    magic_end = legacy_pth.magic_end(source)
    if magic_end is not None:
        return _open_legacy(source, magic_end, key)
    if _is_pickle(source.head(2)):
        return _open_bare_pickle(source, key)
    return _open_zip(source, key)


def write(
    path: str | os.PathLike[str], runtime: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Output:
    """Write a plain dict of tensors as torch.save does; the metadata is a record that torch ignores.

    Without `_metadata` a missing num_batches_tracked loads strictly.
    """
    with Output(path) as output:
        archive = ZipWriter(output)
        archive.add(f"{_ROOT}/data.pkl", _pickled(tensors))
        archive.add(f"{_ROOT}/.format_version", b"1")
        archive.add(f"{_ROOT}/.storage_alignment", b"64")
        archive.add(f"{_ROOT}/byteorder", b"little")
        for key, tensor in enumerate(tensors.values()):
            archive.add_tensor(f"{_ROOT}/data/{key}", tensor)
        archive.add(f"{_ROOT}/version", b"3\n")
        if metadata:
            archive.add(f"{_ROOT}/{_METADATA}", json.dumps(dict(metadata), ensure_ascii=False).encode())
        archive.finish()
    return output


def _open_zip(source: SourceFile, key: str | None) -> Checkpoint:
    """Open what torch.save writes."""
    path = source.path
    records, padding = read_records(source)
    root_name = _root_name(path, records)
    check_stored(path, records.values())
    order = records.get(f"{root_name}/byteorder")
    if order is not None and _contents(source, order, 16) != b"little":
        raise FormatError(
            f"{path}: was written on a big-endian machine; save it again on a little-endian one"
        )
    data = _contents(source, records[f"{root_name}/data.pkl"], MAX_PICKLE_BYTES)
    # a hostile file buys more steps with bytes only
    pickled = Unpickler(data, path, "data.pkl", steps=MAX_STEPS + STEPS_A_TENSOR * len(records))
    root = pickled.load()
    if pickled.position != len(data):
        raise FormatError(
            f"{path}: {len(data) - pickled.position:,} bytes follow the end of data.pkl's pickle, which "
            f"torch.save never writes and torch.load never reads: refused"
        )

    def place(name: str, view: PickledTensor) -> Tensor:
        storage = records.get(f"{root_name}/data/{view.storage.key}")
        if storage is None:
            raise FormatError(
                f"{path}: tensor '{short(name)}': its storage '{short(view.storage.key)}' is not in the file"
            )
        return tensor_from_view(source, name, view, storage.offset, storage.length, storage.crc)

    metadata = _metadata(source, records.get(f"{root_name}/{_METADATA}"))
    found = _checkpoint(source, root, pickled, place, "triport" if metadata else "torch.save", key)
    return replace(
        found,
        metadata=metadata,
        notes=(*found.notes, *([padding_note(padding)] if padding else [])),
        integrity="every record has a CRC, checked where it is read",
    )


def _open_legacy(source: SourceFile, start: int, key: str | None) -> Checkpoint:
    """Open what torch.save wrote before 1.6; it has no checksums."""
    (root, keys), pickles = legacy_pth.read_pickles(source, start, legacy_pth.read_root)
    ranges, padding = legacy_pth.storage_ranges(source, pickles.position, keys, pickles.references)
    place = _placed_by(source, ranges)
    producer = "torch.save before 1.6, or with its legacy format"
    found = _checkpoint(source, root, pickles, place, producer, key)
    return replace(found, notes=(*found.notes, padding_note(padding))) if padding else found


def _open_tar(source: SourceFile, key: str | None) -> Checkpoint:
    """Open what torch.save wrote before 0.1.10."""
    places = legacy_tar.entries(source)
    if not legacy_tar.is_torchs(places):
        raise FormatError(f"{source.path}: {tar_of_others(places)}")
    root, pickles, ranges = legacy_tar.read_root(source, places)
    return _checkpoint(source, root, pickles, _placed_by(source, ranges), "torch.save before 0.1.10", key)


def _open_bare_pickle(source: SourceFile, key: str | None) -> Checkpoint:
    """Open a pickle that is no file of torch.save, if it holds NumPy arrays."""
    root, pickles = legacy_pth.read_pickles(source, 0, Unpickler.load)
    problem = not_a_state_dict(root)
    if problem is None and pickles.position != source.size:
        problem = f"is a bare pickle with {source.size - pickles.position:,} bytes after it"
    if problem is not None:
        raise FormatError(f"{source.path}: {problem}")
    return _checkpoint(source, root, pickles, _placed_by(source, {}), "pickle.dump of NumPy arrays", key)


def _placed_by(
    source: SourceFile, ranges: Mapping[str, tuple[int, int]]
) -> Callable[[str, PickledTensor], Tensor]:
    """Return what finds a tensor's values, where the storages lie in a file without checksums."""

    def place(name: str, view: PickledTensor) -> Tensor:
        if view.storage.key not in ranges:
            raise FormatError(
                f"{source.path}: tensor '{short(name)}': its storage is not in the file: damaged"
            )
        return tensor_from_view(source, name, view, *ranges[view.storage.key], None)

    return place


def _checkpoint(
    source: SourceFile,
    root: Any,
    pickled: Unpickler,
    place: Callable[[str, PickledTensor], Tensor],
    producer: str,
    key: str | None,
) -> Checkpoint:
    """Return what an unpickled object holds.

    Args:
        source: the file.
        root: the object.
        pickled: its interpreter.
        place: finds the values of a tensor, by name and as the pickle describes it.
        producer: what wrote the file.
        key: where the state dict lies in the object; None finds it.
    """
    arrays = arrays_as_tensors(root, source.path)
    views, dropped, notes = choose_state_dict(root, source.path, key)
    tensors = {name: arrays.get(view.storage.key) or place(name, view) for name, view in views.items()}
    check_expansion(source, tensors)
    return Checkpoint(
        source.path,
        FORMAT,
        "pytorch",
        tensors,
        dropped=tuple(dropped),
        notes=(*notes, *_notes(views, pickled, len(arrays))),
        producer=producer,
        statements=stated_beside(root),
    )


def _notes(views: Mapping[str, PickledTensor], pickled: Unpickler, arrays: int) -> Iterator[str]:
    """Yield what the reader decided about the tensors of a pickle, and what it did not run."""
    if arrays:
        yield (
            "the values are NumPy arrays, read as they are (for tensors of torch: torch.from_numpy of each, "
            "then torch.save)"
        )
    kinds = Counter(str(view.kind) for view in views.values() if view.kind)
    for kind, count in kinds.most_common(5):
        yield f"{count} of {len(views)} tensors are of the class {kind}: read as plain tensors, their values"
    lazy = [name for name, view in views.items() if view.negated or view.conjugated]
    if lazy:
        more = f" and {len(lazy) - 1} more" if len(lazy) > 1 else ""
        yield (
            f"the sign of '{short(lazy[0])}'{more} is stored apart from its values (PyTorch's lazy negative "
            f"or conjugate), and was applied"
        )
    if pickled.not_run:
        yield f"the file's pickle calls {', '.join(pickled.not_run)}: not run, and no weight depends on it"


def _is_pickle(head: bytes) -> bool:
    return len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _root_name(path: str, records: Mapping[str, Record]) -> str:
    """Return the folder in the zip that holds data.pkl."""
    roots = [
        name[: -len("/data.pkl")] for name in records if name.endswith("/data.pkl") and name.count("/") == 1
    ]
    if len(roots) != 1:
        raise FormatError(f"{path}: {zip_without_pickle(records)}")
    if f"{roots[0]}/constants.pkl" in records:
        raise FormatError(
            f"{path}: is a TorchScript program, not a state dict; load it with torch.jit.load and torch.save "
            f"its state_dict()"
        )
    return roots[0]


def _contents(source: SourceFile, record: Record, limit: int) -> bytes:
    """Return a small record's bytes, checksum compared."""
    if record.length > limit:
        raise FormatError(
            f"{source.path}: record '{record.name}' has {record.length:,} bytes; expected at most {limit:,}: "
            f"not a state dict"
        )
    record.crc.check()
    return source.read(record.offset, record.length)


def _metadata(source: SourceFile, record: Record | None) -> dict[str, str]:
    """Return the texts that `write` stored."""
    if record is None:
        return {}
    try:
        values = json.loads(_contents(source, record, _MAX_METADATA_BYTES))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise FormatError(f"{source.path}: record '{record.name}' is no table of texts: the file is damaged")
    return values


def _pickled(tensors: Mapping[str, Tensor]) -> bytes:
    """Return a dict of tensors as a pickle of protocol 2."""
    memo: dict[bytes, int] = {}

    def once(code: bytes) -> bytes:
        if code in memo:
            index = memo[code]
            return b"h" + bytes([index])
        memo[code] = len(memo)
        return code + b"q" + bytes([memo[code]])

    def name(module: str, attribute: str) -> bytes:
        return once(f"c{module}\n{attribute}\n".encode())

    out = bytearray(b"\x80\x02}(")
    for key, (title, tensor) in enumerate(tensors.items()):
        untyped = tensor.dtype in _UNTYPED
        count = tensor.nbytes if untyped else _count(tensor.shape)
        storage = ("torch.storage", "UntypedStorage") if untyped else ("torch", _STORAGES[tensor.dtype])
        out += _text(title)
        out += name("torch._utils", "_rebuild_tensor_v3" if untyped else "_rebuild_tensor_v2") + b"(("
        out += (
            once(_text("storage")) + name(*storage) + _text(str(key)) + once(_text("cpu")) + _integer(count)
        )
        out += b"tQK\x00" + _integers(tensor.shape) + _integers(_strides(tensor.shape)) + b"\x89"
        out += name("collections", "OrderedDict") + b")R"
        out += (name("torch", tensor.dtype) if untyped else b"") + b"tR"
    return bytes(out + b"u.")


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _integer(value: int) -> bytes:
    if value < 0x100:
        return b"K" + bytes([value])
    if value < 0x10000:
        return b"M" + struct.pack("<H", value)
    if value < 0x80000000:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def _integers(values: tuple[int, ...]) -> bytes:
    items = b"".join(map(_integer, values))
    if not values:
        return b")"
    return items + bytes([0x84 + len(values)]) if len(values) <= 3 else b"(" + items + b"t"


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a contiguous tensor, as torch counts them for empty ones too."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))
