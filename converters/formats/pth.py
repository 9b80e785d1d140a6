"""PyTorch checkpoints (.pth, .pt): a stored zip with a pickle and one record per storage.

The pickle is interpreted, never executed (unpickle.py); what torch wrote before 1.6 is read too.
Source: torch/serialization.py and caffe2/serialize/inline_container.cc of torch 2.13.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping

from converters.formats import legacy_pth
from converters.formats.atomic import Output
from converters.formats.source import FormatError, SourceFile
from converters.formats.state_dicts import choose_state_dict
from converters.formats.tensors import Checkpoint, Tensor, short
from converters.formats.unpickle import MAX_PICKLE_BYTES, MAX_STEPS, STEPS_A_TENSOR, Unpickler
from converters.formats.views import check_expansion, tensor_from_view
from converters.formats.zip_records import Record, ZipWriter, check_stored, read_records

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
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or _is_pickle(head) or _is_tar(head)


def open(source: SourceFile, key: str | None = None) -> Checkpoint:
    """Read the directory and the pickle; each payload's CRC is checked when it is read.

    Args:
        source: the file.
        key: where the state dict lies in what was pickled; None finds it.

    Raises:
        FormatError: the file is damaged, unsafe, no torch checkpoint, or holds no state dict.
    """
    path = source.path
    head = source.head(265)
    if _is_tar(head):
        raise FormatError(
            f"{path}: is a tar, as torch wrote before 0.1.10, or an archive around a checkpoint; unpack it, "
            f"or load it "
            f"with torch.load and save it again"
        )
    if head[: len(legacy_pth.MAGIC)] == legacy_pth.MAGIC:
        return _open_legacy(source, key)
    if _is_pickle(head):
        raise FormatError(
            f"{path}: is a bare pickle, not a file of torch.save; load it where it was made and torch.save it"
        )
    records = read_records(source)
    root_name = _root_name(path, records)
    check_stored(path, records.values())
    order = records.get(f"{root_name}/byteorder")
    if order is not None and _contents(source, order, 16) != b"little":
        raise FormatError(
            f"{path}: was written on a big-endian machine; save it again on a little-endian one"
        )
    record = records[f"{root_name}/data.pkl"]
    data = _contents(source, record, MAX_PICKLE_BYTES)
    # a hostile file buys more steps with bytes only
    pickled = Unpickler(data, path, "data.pkl", steps=MAX_STEPS + STEPS_A_TENSOR * len(records))
    root = pickled.load()
    if pickled.position != len(data):
        raise FormatError(
            f"{path}: {len(data) - pickled.position:,} bytes follow the end of data.pkl's pickle: damaged"
        )
    views, dropped, notes = choose_state_dict(root, path, key)
    tensors: dict[str, Tensor] = {}
    for name, view in views.items():
        storage = records.get(f"{root_name}/data/{view.storage.key}")
        if storage is None:
            raise FormatError(
                f"{path}: tensor '{short(name)}': its storage '{short(view.storage.key)}' is not in the file"
            )
        tensors[name] = tensor_from_view(source, name, view, storage.offset, storage.length, storage.crc)
    check_expansion(source, tensors)
    metadata = _metadata(source, records.get(f"{root_name}/{_METADATA}"))
    return Checkpoint(
        path,
        FORMAT,
        "pytorch",
        tensors,
        metadata,
        tuple(dropped),
        tuple(notes),
        integrity="every record has a CRC, checked where it is read",
        producer="triport" if metadata else "torch.save",
    )


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


def _open_legacy(source: SourceFile, key: str | None) -> Checkpoint:
    """Open what torch.save wrote before 1.6; it has no checksums."""
    root, pickles, keys = legacy_pth.read_root(source)
    views, dropped, notes = choose_state_dict(root, source.path, key)
    ranges = legacy_pth.storage_ranges(source, pickles.position, keys, pickles.storages)
    tensors: dict[str, Tensor] = {}
    for name, view in views.items():
        if view.storage.key not in ranges:
            raise FormatError(
                f"{source.path}: tensor '{short(name)}': its storage is not in the file: damaged"
            )
        tensors[name] = tensor_from_view(source, name, view, *ranges[view.storage.key], None)
    check_expansion(source, tensors)
    return Checkpoint(
        source.path,
        FORMAT,
        "pytorch",
        tensors,
        dropped=tuple(dropped),
        notes=tuple(notes),
        producer="torch.save before 1.6, or with its legacy format",
    )


def _is_pickle(head: bytes) -> bool:
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _root_name(path: str, records: Mapping[str, Record]) -> str:
    """Return the folder in the zip that holds data.pkl."""
    roots = [
        name[: -len("/data.pkl")] for name in records if name.endswith("/data.pkl") and name.count("/") == 1
    ]
    if len(roots) != 1:
        shown = ", ".join(list(records)[:5])
        raise FormatError(f"{path}: is a zip without one data.pkl (it has {shown}): not a file of torch.save")
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
