"""safetensors files: a JSON header, then the payloads. MindSpore and PyTorch both write them.

Whose file it is stands in the metadata ("format": "ms" or "pt"), else the parameters' names tell.
Source: https://github.com/huggingface/safetensors (README, "Format"); MindSpore's additions
(crc_num, remove_redundancy, one key per int4 tensor): mindspore/train/serialization.py.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from triport.converters.formats.atomic import Output
from triport.converters.formats.source import CHUNK_BYTES, FormatError, SourceFile
from triport.converters.formats.tensors import (
    CHECKSUM_RIGHT,
    ITEM_BYTES,
    MAX_TENSORS,
    NO_CHECKSUM,
    Checkpoint,
    FileTensor,
    Tensor,
    checked_shape,
    short,
)
from triport.reference_models.errors import counted
from triport.reference_models.kinds import MINDSPORE_LEAVES

FORMAT = "safetensors"
WRITES = {"mindspore": (".safetensors",), "pytorch": (".safetensors",)}
OPTIONS: tuple[str, ...] = ()

_MAX_SCALAR = 1 << 30  # zeros that a CRC is taken over; MindSpore would need as much memory
_MAX_HEADER_BYTES = 100_000_000  # the library's own limit
# a JSON text becomes objects of many times its size: bounds that MAX_TENSORS tensors keep
_MAX_JSON_BYTES = 160 * MAX_TENSORS
_MAX_COMMAS = 10 * MAX_TENSORS
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
_TYPE_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_RUNTIMES = {"ms": "mindspore", "pt": "pytorch"}
# a metadata key that equals a tensor's name is an int4 mark to MindSpore
_PREFIX = "triport."
_ENTRY = {"dtype", "shape", "data_offsets"}
_INT4 = "Int4"
_PLAIN = '{"_type": "Tensor"}'  # torchao's word for a tensor that is what it seems


def sniff(source: SourceFile) -> bool:
    """Return whether a file starts with a header's length and a JSON object."""
    head = source.head(9)
    return (
        len(head) == 9 and 2 <= int.from_bytes(head[:8], "little") <= _MAX_HEADER_BYTES and head[8:] == b"{"
    )


def open(source: SourceFile) -> Checkpoint:
    """Read the header; checks MindSpore's CRC where there is one.

    Raises:
        FormatError: the header is damaged, ranges overlap or leave gaps, or MindSpore's int4 or
            redundancy-removed form is used.
    """
    path = source.path
    length = int.from_bytes(source.read(0, 8), "little")
    source.check_range(8, length, "the safetensors header")
    if length > _MAX_JSON_BYTES:
        raise FormatError(
            f"{path}: the safetensors header has {length:,} bytes; expected at most {_MAX_JSON_BYTES:,}, "
            f"as {MAX_TENSORS:,} tensors need; a longer one is not read"
        )
    header = _parse(source.read(8, length), path)
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata  # null is none, as the library reads it
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        odd = [key for key in metadata if type(metadata[key]) is not str] if type(metadata) is dict else []
        raise FormatError(
            f"{path}: __metadata__ is not a table of texts{f': {short(odd[0])!r} is none' if odd else ''}. "
            f"safetensors allows nothing else there, and its own library refuses the file too: save it anew, "
            f"with str() around each value of its metadata"
        )
    tensors: dict[str, Tensor] = {}
    ends = []
    start = 8 + length
    for name, entry in header.items():
        tensor = _tensor(source, name, entry, start)
        tensors[name] = tensor
        ends.append((*tensor.ranges[0], name))
    _check_ranges(source, sorted(ends), start)
    notes = _texts_under_names(path, tensors, metadata)
    if metadata.get("remove_redundancy") == "True":
        raise FormatError(
            f"{path}: is one rank's part of a MindSpore checkpoint (remove_redundancy=True): other files "
            f"hold the "
            f"rest. Merge them with mindspore.unified_safetensors, or save with remove_redundancy=False"
        )
    tensors = dict(sorted(tensors.items(), key=lambda item: item[1].ranges[0][0]))  # type: ignore[attr-defined]
    if "crc_num" in metadata:
        _check_crc(source, tensors, metadata["crc_num"])
    mark = metadata.get("format")
    runtime = _RUNTIMES.get(mark or "")
    if runtime is None:
        leaves = {name.rpartition(".")[2] for name in tensors}
        runtime = "mindspore" if leaves & MINDSPORE_LEAVES else "pytorch"
        says = "does not say whose it is" if mark is None else f"says format {short(mark, 40)}"
        notes.append(f"the file {says}; by its parameters' names it is read as {runtime}'s")
    texts = {key.removeprefix(_PREFIX): value for key, value in metadata.items() if key != "format"}
    integrity = CHECKSUM_RIGHT if "crc_num" in metadata else NO_CHECKSUM
    return Checkpoint(path, FORMAT, runtime, tensors, texts, notes=tuple(notes), integrity=integrity)


def write(
    path: str | os.PathLike[str], runtime: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Output:
    """Write a file for a runtime; tensors are ordered by item size, so that each is aligned.

    Raises:
        FormatError: the format has no such dtype, or a tensor has a reserved name.
    """
    marks = {"mindspore": "ms", "pytorch": "pt"}
    texts = {"format": marks[runtime]} | {
        key if key == "format" else _PREFIX + key: value for key, value in metadata.items() if key != "format"
    }
    for key in texts:
        if key in tensors:
            raise FormatError(
                f"tensor '{short(key)}' has the name of a metadata key, which MindSpore takes for int4"
            )
    header: dict[str, Any] = {"__metadata__": texts}
    position = 0
    ordered = sorted(tensors.items(), key=lambda item: -ITEM_BYTES[item[1].dtype])
    for name, tensor in ordered:
        if name == "__metadata__":
            raise FormatError("a tensor is called '__metadata__', a name that safetensors reserves")
        if tensor.dtype not in _TYPE_NAMES:
            raise FormatError(f"tensor '{short(name)}' is {tensor.dtype}, which safetensors cannot hold")
        end = position + tensor.nbytes
        header[name] = {
            "dtype": _TYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER_BYTES:
        raise FormatError(
            f"{counted(len(tensors), 'tensor needs', 'tensors need')} a header of {len(text):,} bytes; "
            "safetensors allows 100 MB"
        )
    with Output(path) as output:
        output.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            for piece in output.payload(tensor):
                output.put(piece)
    return output


def _parse(text: bytes, path: str) -> dict[str, Any]:
    """Return the header's JSON object, names unique."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise FormatError(
                f"{path}: '{short(twice)}' comes twice in the safetensors header: damaged or malicious"
            )
        return entries

    # counted first: two bytes of JSON can become an object of 64
    if text.count(b"{") > MAX_TENSORS + 2 or max(text.count(b"["), text.count(b",")) > _MAX_COMMAS:
        raise FormatError(
            f"{path}: the safetensors header has more parts than {MAX_TENSORS:,} tensors need, which is "
            f"not read"
        )
    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except RecursionError:
        raise FormatError(
            f"{path}: the safetensors header is nested deeper than that of any tensors: no safetensors file"
        ) from None
    except ValueError as error:
        raise FormatError(
            f"{path}: the safetensors header is no JSON ({str(error)[:120]}): the file is damaged"
        ) from None
    if not isinstance(header, dict):
        raise FormatError(f"{path}: the safetensors header is no table: the file is damaged")
    count = len(header) - ("__metadata__" in header)
    if count > MAX_TENSORS:
        raise FormatError(f"{path}: has {counted(count, 'tensor')}; expected at most {MAX_TENSORS:,}")
    return header


def _tensor(source: SourceFile, name: str, entry: Any, start: int) -> FileTensor:
    """Return the tensor that an entry of the header describes."""
    path = source.path
    what = f"{path}: tensor '{short(name)}'"
    if not isinstance(entry, dict) or not entry.keys() >= _ENTRY:
        raise FormatError(
            f"{what}: its header entry has not dtype, shape and data_offsets, as safetensors defines it"
        )
    if others := entry.keys() - _ENTRY:
        raise FormatError(
            f"{what}: its header entry states '{short(min(others))}' too, which safetensors does not define, "
            "and which may change what the values mean. Save the file anew with safetensors"
        )
    kind, dims, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        raise FormatError(f"{what} has dtype {short(str(kind))!r}; expected one of {', '.join(_TYPES)}")
    if not _are_counts(dims) or not _are_counts(offsets) or len(offsets) != 2:
        raise FormatError(
            f"{what}: shape or data_offsets are no whole numbers from 0 on, as safetensors defines them"
        )
    dtype = _TYPES[kind]
    shape = checked_shape(dims, dtype, path, name)
    begin, end = offsets
    tensor = FileTensor(source, shape, dtype, ((start + begin, end - begin),))
    if end - begin != tensor.nbytes:
        raise FormatError(
            f"{what} {kind}{list(shape)} needs {tensor.nbytes:,} bytes, its data_offsets give {end - begin:,}"
        )
    source.check_range(start + begin, end - begin, f"tensor '{short(name)}'")
    return tensor


def _texts_under_names(path: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[str]:
    """Return notes on the metadata that stands under tensors' names.

    Raises:
        FormatError: it is MindSpore's mark of int4.
    """
    marked = [name for name in tensors if name in metadata and metadata[name] != _PLAIN]
    for name in marked:
        if metadata[name] == _INT4 and metadata.get("format", "ms") == "ms":
            raise FormatError(
                f"{path}: tensor '{short(name)}' is marked '{_INT4}' in the metadata: MindSpore's int4, "
                f"which is not supported; save the unquantised parameters"
            )
    if not marked:
        return []
    more = f" and of {len(marked) - 1} more" if len(marked) > 1 else ""
    return [
        f"the metadata has a text under the name of '{short(marked[0], 60)}'{more} "
        f"('{short(metadata[marked[0]], 60)}'); it was not read: the stored values are taken"
    ]


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_ranges(source: SourceFile, ranges: list[tuple[int, int, str]], start: int) -> None:
    """Raise FormatError unless the payloads fill the rest of the file without overlap or gap."""
    position = start
    for offset, length, name in ranges:
        if offset != position:
            if offset < position:
                raise FormatError(
                    f"{source.path}: tensor '{short(name)}' overlaps the one before it: the safetensors file "
                    f"is damaged or malicious"
                )
            raise FormatError(
                f"{source.path}: tensor '{short(name)}' leaves {offset - position:,} bytes unused before it, "
                f"which safetensors does not allow, and its own library refuses too: save the file anew"
            )
        position += length
    if position != source.size:
        raise FormatError(
            f"{source.path}: {source.size - position:,} bytes follow the last tensor from byte {position:,} "
            f"on; expected none, and safetensors' own library refuses them too. If the file is right without "
            f"them, cut them off: head -c {position} FILE > NEW"
        )


def _checksummed(tensor: Tensor) -> Iterable[bytes]:
    """Return the bytes of a tensor that MindSpore's CRC covers."""
    if tensor.shape == () and "int" in tensor.dtype:
        # MindSpore takes bytes(array), and bytes(5) is five zeros
        value = int.from_bytes(b"".join(tensor.chunks()), "little", signed=tensor.dtype.startswith("int"))
        zeros = min(max(value, 0), _MAX_SCALAR)
        return itertools.chain(
            itertools.repeat(bytes(CHUNK_BYTES), zeros // CHUNK_BYTES), (bytes(zeros % CHUNK_BYTES),)
        )
    return tensor.chunks()


def _check_crc(source: SourceFile, tensors: Mapping[str, Tensor], stated: str) -> None:
    """Check the CRC-32 that MindSpore takes over names and payloads, in order of the names."""
    found = 0
    for name in sorted(tensors):
        found = zlib.crc32(name.encode(), found)
        for chunk in _checksummed(tensors[name]):
            found = zlib.crc32(chunk, found)
    if str(found) != stated:
        raise FormatError(
            f"{source.path}: its CRC-32 is {found}, but the file states {short(stated)}: damaged; get it "
            f"again"
        )
