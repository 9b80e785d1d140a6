"""MindSpore checkpoints (.ckpt): protobuf records laid end to end, no magic, count or end mark.

    Checkpoint {repeated Value value = 1}
    Value {required string tag = 1; oneof {TensorProto tensor = 2; MapTensorProto maptensor = 3}}
    TensorProto {repeated int64 dims = 1; required string tensor_type = 2; required bytes content = 3}

A tensor over 512 MiB is sliced into records of the same tag, each with the full dims. A file may
end with a CRC-32: "crc_num" and ten bytes, big-endian. Source: mindspore/train/serialization.py and
ccsrc/utils/checkpoint.proto of MindSpore 2.10.

After the last record triport writes one field more, which protobuf's parsers skip because the message does
not know it, MindSpore's load_checkpoint and ckpt_to_safetensors among them: a JSON table of texts that says
what model the file is of (`metadata`).
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Mapping

from triport.converters.formats.atomic import Output
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import (
    CHECKSUM_RIGHT,
    ITEM_BYTES,
    MAX_TENSORS,
    NO_CHECKSUM,
    Checkpoint,
    Dropped,
    FileTensor,
    Tensor,
    checked_shape,
    short,
)
from triport.converters.formats.wire import LENGTH, VARINT, Field, WireReader, varint

FORMAT = "ckpt"
WRITES = {"mindspore": (".ckpt",)}
OPTIONS = ("crc",)

SLICE_BYTES = 512 * 1024 * 1024
_TYPES = {
    "Bool": "bool",
    "Int8": "int8",
    "Int16": "int16",
    "Int32": "int32",
    "Int64": "int64",
    "UInt8": "uint8",
    "UInt16": "uint16",
    "UInt32": "uint32",
    "UInt64": "uint64",
    "Float16": "float16",
    "Float32": "float32",
    "Float64": "float64",
    "BFloat16": "bfloat16",
}
_TYPE_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_TRAILER = b"crc_num"
_TRAILER_BYTES = len(_TRAILER) + 10
_ENCRYPTED = {0x7F3A5ED8: "AES-GCM", 0x7F3A5ED9: "AES-CBC", 0x7F3A5EDA: "SM4-CBC"}
_METADATA_FIELD = 7381  # of Checkpoint: any number that MindSpore does not use
_MAX_METADATA_BYTES = 1 << 16
_MAX_TEXT_BYTES = 1 << 14


# a tensor's dims, its type, and where its slices are
_Found = tuple[list[int], str, list[tuple[int, int]]]


def sniff(source: SourceFile) -> bool:
    """Return whether a file starts like a checkpoint: a record, a tag, then its tensor's dims or type."""
    head = source.head(1024)
    if int.from_bytes(head[:4], "little") in _ENCRYPTED or head[: len(_TRAILER)] == _TRAILER:
        return True
    if head[:1] != b"\x0a":
        return False
    position = _skip_varint(head, 1)
    if head[position : position + 1] != b"\x0a":
        return False
    start = _skip_varint(head, position + 1)
    length = _read_varint(head, position + 1)
    tag = head[start : start + length]
    if length <= 0 or b"\0" in tag:
        return False
    following = head[start + length : start + length + 1]
    # a node of a TensorFlow graph starts so too, and has a text where the tensor is
    first = _skip_varint(head, start + length + 1)
    return following in (b"\x1a", b"") or (
        following == b"\x12" and head[first : first + 1] in (b"\x08", b"\x0a", b"\x12", b"")
    )


def open(source: SourceFile) -> Checkpoint:
    """Read the records' headers; checks the CRC where there is one.

    Raises:
        FormatError: the file is encrypted, truncated, damaged, or holds what no network has.
    """
    path = source.path
    cipher = _ENCRYPTED.get(int.from_bytes(source.head(4), "little"))
    if cipher is not None:
        raise FormatError(
            f"{path}: is an encrypted MindSpore checkpoint ({cipher}); load it with its key in MindSpore "
            f"(dec_key, dec_mode) and save it again without enc_key"
        )
    reader = WireReader(source)
    found, metadata, end = _records(reader)
    if end < source.size:
        _check_crc(source, end)
    tensors: dict[str, Tensor] = {}
    dropped = []
    statements: dict[str, str | int | float | bool] = {}
    for tag, (dims, kind, ranges) in found.items():
        if kind == "str":
            text = _text(reader, ranges)
            statements[tag] = text
            dropped.append(Dropped(tag, f"a text, not a tensor: {text[:80]!r}"))
        else:
            tensors[tag] = _checked_tensor(source, tag, dims, kind, ranges)
    return Checkpoint(
        path,
        FORMAT,
        "mindspore",
        tensors,
        metadata,
        dropped=tuple(dropped),
        integrity=CHECKSUM_RIGHT if end < source.size else NO_CHECKSUM,
        producer="triport" if metadata else None,
        statements=statements,
    )


def _records(reader: WireReader) -> tuple[dict[str, _Found], dict[str, str], int]:
    """Return the records by tag, what triport wrote after them, and where all that ends."""
    source, path = reader.source, reader.source.path
    found: dict[str, _Found] = {}
    last = None
    end = 0
    metadata: dict[str, str] = {}
    for record in reader.fields(0, source.size, "the checkpoint", stop=_TRAILER):
        what = f"record {len(found) + 1}"
        if record.number == _METADATA_FIELD and record.wire == LENGTH and found and not metadata:
            metadata = _metadata(reader, record)
            end = record.value + record.length
            continue
        if metadata:
            raise FormatError(
                f"{path}: byte {record.start:,}: a record follows what triport ends a file with: two files "
                f"laid end to end, or damaged"
            )
        if record.number != 1 or record.wire != LENGTH:
            raise FormatError(
                f"{path}: byte {record.start:,} starts no record of a MindSpore checkpoint (field "
                f"{record.number}, "
                f"wire type {record.wire}; expected field 1): damaged, or trailing bytes"
            )
        tag, tensor = _value(reader, record, what)
        dims, kind, content = _tensor(reader, tensor, f"tensor '{short(tag)}'")
        if tag not in found:
            if len(found) == MAX_TENSORS:
                raise FormatError(f"{path}: has more than {MAX_TENSORS:,} tensors, which is not read")
            found[tag] = (dims, kind, [content])
        elif tag != last or found[tag][:2] != (dims, kind):
            raise FormatError(
                f"{path}: tensor '{short(tag)}' comes twice (again at byte {record.start:,}) and not as "
                f"consecutive "
                f"slices of one: which of them is meant cannot be known"
            )
        else:
            found[tag][2].append(content)
        last = tag
        end = record.value + record.length
    return found, metadata, end


def write(
    path: str | os.PathLike[str],
    runtime: str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    crc: bool = False,
) -> Output:
    """Write the bytes that `mindspore.save_checkpoint` writes for the same parameters in this order.

    Metadata follow them, where there are any.

    Args:
        path: the file to make.
        runtime: "mindspore".
        tensors: by name.
        metadata: texts to carry.
        crc: whether to end the file with a CRC-32, as crc_check=True does.

    Raises:
        FormatError: MindSpore has no such dtype, or a tensor is empty (MindSpore loses those).
    """
    with Output(path) as output:
        checksum = 0
        for name, tensor in tensors.items():
            if tensor.dtype not in _TYPE_NAMES:
                raise FormatError(
                    f"tensor '{short(name)}' is {tensor.dtype}, which MindSpore's .ckpt cannot hold"
                )
            if not tensor.nbytes:
                raise FormatError(
                    f"tensor '{short(name)}' {list(tensor.shape)} is empty: MindSpore's .ckpt cannot hold "
                    f"it; write .safetensors"
                )
            # the records' sizes come first, so the payload is cut where the slices end
            sizes = [
                min(SLICE_BYTES, tensor.nbytes - start) for start in range(0, tensor.nbytes, SLICE_BYTES)
            ]
            headers = [_record_header(name, tensor, size) for size in sizes]
            left = 0
            for piece in output.payload(tensor):
                while piece:
                    if not left:
                        left, header = sizes.pop(0), headers.pop(0)
                        output.write(header)
                        checksum = zlib.crc32(header, checksum) if crc else 0
                    part, piece = piece[:left], piece[left:]
                    output.put(part)
                    checksum = zlib.crc32(part, checksum) if crc else 0
                    left -= len(part)
        if metadata:
            ending = _metadata_field(metadata)
            output.write(ending)
            checksum = zlib.crc32(ending, checksum) if crc else 0
        if crc:
            output.write(_TRAILER + checksum.to_bytes(10, "big"))
    return output


def _metadata_field(metadata: Mapping[str, str]) -> bytes:
    """Return the field that carries the metadata."""
    text = json.dumps(dict(metadata), ensure_ascii=False).encode()
    return varint(_METADATA_FIELD << 3 | LENGTH) + varint(len(text)) + text


def _metadata(reader: WireReader, record: Field) -> dict[str, str]:
    """Return the texts that `write` stored."""
    text = reader.text(record, "triport's metadata", _MAX_METADATA_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if (
        not isinstance(values, dict)
        or not all(isinstance(value, str) for value in values.values())
        or not values
    ):
        raise FormatError(
            f"{reader.source.path}: what triport ends a file with, at byte {record.start:,}, is no "
            f"table of texts: "
            f"the file is damaged"
        )
    return values


def _record_header(name: str, tensor: Tensor, size: int) -> bytes:
    """Return what stands before `size` bytes of a tensor's payload."""
    kind = _TYPE_NAMES[tensor.dtype].encode()
    tag = name.encode()
    inner = b"".join(b"\x08" + varint(dim) for dim in tensor.shape)
    inner += b"\x12" + varint(len(kind)) + kind + b"\x1a" + varint(size)
    outer = b"\x0a" + varint(len(tag)) + tag + b"\x12" + varint(len(inner) + size)
    return b"\x0a" + varint(len(outer) + len(inner) + size) + outer + inner


def _value(reader: WireReader, record: Field, what: str) -> tuple[str, Field]:
    """Return a record's tag and its tensor's field."""
    path = reader.source.path
    tag: str | None = None
    tensor: Field | None = None
    for field in reader.fields(record.value, record.value + record.length, what):
        if field.number == 1 and tag is None:
            tag = reader.text(field, f"the tag of {what}")
        elif field.number == 2 and field.wire == LENGTH and tensor is None:
            tensor = field
        elif field.number == 3:
            raise FormatError(
                f"{path}: '{short(tag or what)}' is a MapParameter, which only MindSpore can read"
            )
        else:
            raise FormatError(
                f"{path}: {what} at byte {record.start:,} has an unexpected field {field.number}: not a "
                f"MindSpore "
                f"checkpoint, or damaged"
            )
    if tag is None or tensor is None:
        missing = "tag" if tag is None else "tensor"
        raise FormatError(f"{path}: {what} at byte {record.start:,} has no {missing}: the file is damaged")
    return tag, tensor


def _tensor(reader: WireReader, tensor: Field, what: str) -> tuple[list[int], str, tuple[int, int]]:
    """Return a TensorProto's dims, type name and where its content is."""
    path = reader.source.path
    dims: list[int] = []
    kind: str | None = None
    content: tuple[int, int] | None = None
    for field in reader.fields(tensor.value, tensor.value + tensor.length, what):
        if field.number == 1 and field.wire in (VARINT, LENGTH):
            dims += reader.varints(field, f"the dims of {what}", 64)
            if len(dims) > 64:
                raise FormatError(f"{path}: {what} has more than 64 dims, which is not read")
        elif field.number == 2 and kind is None:
            kind = reader.text(field, f"the type of {what}", 64)
        elif field.number == 3 and field.wire == LENGTH and content is None:
            content = (field.value, field.length)
        else:
            raise FormatError(
                f"{path}: {what}: unexpected field {field.number} at byte {field.start:,}: not a MindSpore "
                f"checkpoint, of a newer MindSpore, or damaged"
            )
    if kind is None or content is None:
        missing = "type" if kind is None else "content"
        raise FormatError(f"{path}: {what} has no {missing}: the file is damaged")
    if kind != "str" and kind not in _TYPES:
        raise FormatError(f"{path}: {what} has type '{short(kind)}'; expected one of {', '.join(_TYPES)}")
    return dims, kind, content


def _checked_tensor(
    source: SourceFile, tag: str, dims: list[int], kind: str, ranges: list[tuple[int, int]]
) -> FileTensor:
    """Return a tensor, if its content has the size that its dims say."""
    dtype = _TYPES[kind]
    found = sum(length for _, length in ranges)
    if dims == [0] and found == ITEM_BYTES[dtype]:
        dims = []  # older MindSpore writes a scalar so
    shape = checked_shape(dims, dtype, source.path, tag)
    expected = math.prod(shape) * ITEM_BYTES[dtype]
    if found != expected:
        how = "short: truncated" if found < expected else "long: damaged, or the tensor comes twice"
        raise FormatError(
            f"{source.path}: tensor '{short(tag)}' {kind}{list(shape)} needs {expected:,} bytes, its content "
            f"has "
            f"{found:,}: too {how}. MindSpore would load it without a word; get the file again"
        )
    return FileTensor(source, shape, dtype, tuple(ranges))


def _text(reader: WireReader, ranges: list[tuple[int, int]]) -> str:
    """Return an entry of save_checkpoint's append_dict that is a text, as far as one is looked into."""
    offset, length = ranges[0]
    return reader.read(offset, min(length, _MAX_TEXT_BYTES)).decode("utf-32-le", "replace")


def _check_crc(source: SourceFile, end: int) -> None:
    """Check what follows the last record."""
    trailer = source.read(end, min(_TRAILER_BYTES + 1, source.size - end))
    if len(trailer) != _TRAILER_BYTES:
        raise FormatError(
            f"{source.path}: {source.size - end:,} bytes follow the last record from byte {end:,} on; "
            f"expected none, or "
            f"the {_TRAILER_BYTES} of a CRC: the file is truncated or damaged"
        )
    expected = int.from_bytes(trailer[len(_TRAILER) :], "big")
    found = 0
    for chunk in source.chunks(0, end):
        found = zlib.crc32(chunk, found)
    if found != expected:
        raise FormatError(
            f"{source.path}: its CRC-32 is {found:#010x}, but the file states {expected:#010x}: the file is "
            f"damaged; "
            f"get it again"
        )


def _read_varint(data: bytes, position: int) -> int:
    value = shift = 0
    for byte in data[position : position + 10]:
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
    return -1


def _skip_varint(data: bytes, position: int) -> int:
    while position < len(data) and data[position] >= 0x80:
        position += 1
    return position + 1
