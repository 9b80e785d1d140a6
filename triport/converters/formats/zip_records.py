"""The zip that PyTorch writes: stored records, aligned to 64 bytes, zip64 where it must be.

Written and read by position here, because a reader for such files must refuse what a general one
accepts: compression, encryption, records that overlap, names that come twice, two directories.
Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from triport.converters.formats.archives import several_zips
from triport.converters.formats.atomic import Output
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import MAX_TENSORS, Crc32, Tensor, short
from triport.reference_models.errors import counted

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_MAX32 = 0xFFFFFFFF
_ALIGNMENT = 64
_UTF8 = 0x0800
_FLAGS = _UTF8 | 0x0008  # what torch sets: names in UTF-8, sizes repeated after the payload
_FIRST_OF_JANUARY_1980 = 0x21
_MAX_DIRECTORY_BYTES = 256 * 1024 * 1024


class Record(NamedTuple):
    """A record: where its bytes are, what they sum to, how it is compressed (0: stored), and its flags."""

    name: str
    offset: int
    length: int
    crc: Crc32
    method: int
    flags: int


def read_records(source: SourceFile) -> tuple[dict[str, Record], int]:
    """Return a zip's records by name, and how many zero bytes follow its end.

    Raises:
        FormatError: it is truncated, damaged or encrypted, or its records overlap.
    """
    path = source.path
    end, padding = _end(source)
    count, start, size = _directory(source, end)
    if count > MAX_TENSORS and count <= size // _CENTRAL.size:
        raise FormatError(
            f"{path}: has {counted(count, 'zip record')}; expected at most {MAX_TENSORS:,} tensors"
        )
    if size > _MAX_DIRECTORY_BYTES or count > size // _CENTRAL.size:
        raise FormatError(
            f"{path}: the zip directory states {counted(count, 'record')} in {size:,} bytes: damaged"
        )
    directory = source.read(start, size)
    records: dict[str, Record] = {}
    spans = []
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > size:
            raise FormatError(f"{path}: the zip directory ends early: the file is damaged")
        stated, position = _entry(directory, position, path, len(records) + 1)
        if stated.name in records:
            raise FormatError(f"{path}: zip record '{stated.name}' comes twice: damaged or malicious")
        record, end = _located(source, stated, start)
        spans.append((stated.offset, end, stated.name))
        records[stated.name] = record
    if position != size:
        raise FormatError(
            f"{path}: the zip directory has {size - position:,} bytes too many: damaged or malicious"
        )
    spans.sort()
    for (_, end, before), (begin, _, name) in itertools.pairwise(spans):
        if begin < end:
            raise FormatError(f"{path}: zip records '{before}' and '{name}' overlap: damaged or malicious")
    return records, padding


class _Stated(NamedTuple):
    """What the directory says of a record; `offset` is that of its local header, `packed` its bytes there."""

    name: str
    name_bytes: bytes
    offset: int
    packed: int
    length: int
    crc: int
    method: int
    flags: int


def _entry(directory: bytes, position: int, path: str, number: int) -> tuple[_Stated, int]:
    """Return what the directory says at a position, and where the next entry starts."""
    fields = _CENTRAL.unpack_from(directory, position)
    magic, flags, method, crc = fields[0], fields[3], fields[4], fields[7]
    packed, length, name_size, extra_size, comment_size, offset = *fields[8:13], fields[16]
    name_end = position + _CENTRAL.size + name_size
    name_bytes = directory[name_end - name_size : name_end]
    name = short(name_bytes.decode("utf-8", "replace"), 300)
    extra = directory[name_end : name_end + extra_size]
    position = name_end + extra_size + comment_size
    if magic != b"PK\x01\x02" or position > len(directory):
        raise FormatError(f"{path}: the zip directory is damaged at record {number}")
    if flags & 1:
        raise FormatError(f"{path}: zip record '{name}' is encrypted; no checkpoint is")
    length, packed, offset = _zip64(extra, length, packed, offset, path, name)
    if length != packed and not method:
        raise FormatError(f"{path}: zip record '{name}' is stored but has two sizes: damaged or malicious")
    return _Stated(name, name_bytes, offset, packed, length, crc, method, flags), position


def _located(source: SourceFile, stated: _Stated, directory: int) -> tuple[Record, int]:
    """Return a record, which must be where the directory says, and where it ends."""
    path, name, name_size = source.path, stated.name, len(stated.name_bytes)
    source.check_range(stated.offset, _LOCAL.size + name_size, f"zip record '{name}'")
    local = source.read(stated.offset, _LOCAL.size + name_size)
    header = _LOCAL.unpack_from(local)
    same_name = header[9] == name_size and local[_LOCAL.size :] == stated.name_bytes
    if header[0] != b"PK\x03\x04" or not same_name or header[3] != stated.method:
        raise FormatError(
            f"{path}: zip record '{name}' is not where the directory says: damaged or malicious"
        )
    begin = stated.offset + _LOCAL.size + name_size + header[10]
    if begin + stated.packed > directory:
        raise FormatError(f"{path}: zip record '{name}' overlaps the directory: damaged or malicious")
    crc = Crc32(source, begin, stated.length, stated.crc, f"record '{name}'")
    return Record(name, begin, stated.length, crc, stated.method, stated.flags), begin + stated.packed


def check_stored(path: str, records: Iterable[Record]) -> None:
    """Raise FormatError if a record is compressed, or of another kind than torch writes."""
    for record in records:
        if record.method:
            raise FormatError(
                f"{path}: zip record '{record.name}' is compressed (method {record.method}): torch.save only "
                f"stores. "
                f"Such a file can be a zip bomb; unpack it and save it again with torch.save"
            )
        if record.flags & ~_FLAGS:
            raise FormatError(
                f"{path}: zip record '{record.name}' has flags {record.flags:#06x}, which torch never sets"
            )


def _end(source: SourceFile) -> tuple[int, int]:
    """Return where a zip's end mark is, and how many zero bytes follow what it ends."""
    path = source.path
    tail_start = max(0, source.size - _END.size - 0xFFFF)  # torch looks for it no further either
    tail = source.read(tail_start, source.size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        if not any(tail):
            raise FormatError(
                f"{path}: its last {len(tail):,} bytes are zeros, where a zip has its directory, as in a "
                f"download that took its room and was not finished; get it again"
            )
        raise FormatError(f"{path}: the zip has no directory at its end: the file is truncated; get it again")
    *_, comment = _END.unpack_from(tail, at)
    mark = tail_start + at
    end = mark + _END.size + comment
    if end > source.size:
        raise FormatError(
            f"{path}: the zip ends in a comment of {comment:,} bytes, of which {end - source.size:,} are not "
            f"there: the file is truncated; get it again"
        )
    padding = source.padding_from(end)
    if end + padding < source.size:
        raise FormatError(
            f"{path}: {source.size - end:,} bytes follow the end of the zip, which is at byte {end:,}: the "
            f"file holds something else too. If it is right, cut that off: head -c {end} FILE > NEW"
        )
    return mark, padding


def _directory(source: SourceFile, end: int) -> tuple[int, int, int]:
    """Return the directory's number of records, its offset and its size, by the end mark at `end`."""
    path = source.path
    _, _, _, _, count, size, start, _ = _END.unpack(source.read(end, _END.size))
    before, mark = 0, end  # bytes before the zip, if it is told of; where its end marks start
    if end >= _END64_LOCATOR.size:
        magic, _, end64, _ = _END64_LOCATOR.unpack(
            source.read(end - _END64_LOCATOR.size, _END64_LOCATOR.size)
        )
        if magic == b"PK\x06\x07":
            mark = end - _END64_LOCATOR.size - _END64.size
            source.check_range(mark, _END64.size, "the zip64 directory's end")
            fields = _END64.unpack(source.read(mark, _END64.size))
            if fields[0] != b"PK\x06\x06":
                raise FormatError(f"{path}: the zip64 directory's end is not where the file says: damaged")
            count, size, start = fields[7:]
            before = mark - end64
    before = before or mark - start - size
    if before > 0 and mark - size >= before and source.read(before, 4) == source.head(4) == b"PK\x03\x04":
        raise FormatError(f"{path}: {several_zips()}")
    if before:
        raise FormatError(
            f"{path}: the zip directory does not end where its end mark is: truncated or damaged"
        )
    return count, start, size


def _zip64(extra: bytes, length: int, packed: int, offset: int, path: str, name: str) -> tuple[int, int, int]:
    """Return the sizes and offset, taken from the zip64 field where they are too large for 32 bits."""
    values = [length, packed, offset]
    position = 0
    while position + 4 <= len(extra) and _MAX32 in values:
        kind, size = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            wide = [i for i in range(3) if values[i] == _MAX32]
            if size < 8 * len(wide) or position + 4 + size > len(extra):
                raise FormatError(f"{path}: zip record '{name}' has a damaged zip64 field")
            for place, i in enumerate(wide):
                (values[i],) = struct.unpack_from("<Q", extra, position + 4 + 8 * place)
            break
        position += 4 + size
    return values[0], values[1], values[2]


class ZipWriter:
    """Writes stored records one after the other, each payload aligned to 64 bytes."""

    def __init__(self, output: Output) -> None:
        """Write to a file that is empty so far."""
        self._output = output
        self._entries: list[tuple[bytes, int, int, int]] = []

    def add(self, name: str, data: bytes) -> None:
        """Append a record."""
        raw, start, crc = name.encode(), self._output.position, zlib.crc32(data)
        self._output.write(_local_header(raw, start, len(data), crc) + data)
        self._entries.append((raw, start, len(data), crc))

    def add_tensor(self, name: str, tensor: Tensor) -> None:
        """Append a record of a tensor's payload."""
        output, length = self._output, tensor.nbytes
        raw, start = name.encode(), output.position
        pieces = output.payload(tensor)
        first = next(pieces, memoryview(b""))
        crc = zlib.crc32(first)
        # known in time where one piece is all there is
        output.write(_local_header(raw, start, length, crc if len(first) == length else 0))
        output.put(first)
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
            output.put(piece)
        if len(first) != length:
            output.patch(start + 14, struct.pack("<I", crc))
        self._entries.append((raw, start, length, crc))

    def finish(self) -> None:
        """Write the directory."""
        output = self._output
        start = output.position
        for raw, offset, length, crc in self._entries:
            wide = [value for value in (length, length, offset) if value >= _MAX32]
            extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
            sizes = (min(length, _MAX32), min(length, _MAX32))
            output.write(
                _CENTRAL.pack(
                    b"PK\x01\x02", 0, 45 if wide else 0, _UTF8, 0, 0, _FIRST_OF_JANUARY_1980, crc, *sizes,
                    len(raw), len(extra), 0, 0, 0, 0, min(offset, _MAX32),
                )
            )  # fmt: skip
            output.write(raw + extra)
        size = output.position - start
        count = len(self._entries)
        if start >= _MAX32 or count >= 0xFFFF or size >= _MAX32:
            end64 = output.position
            output.write(
                _END64.pack(b"PK\x06\x06", _END64.size - 12, 45, 45, 0, 0, count, count, size, start)
            )
            output.write(_END64_LOCATOR.pack(b"PK\x06\x07", 0, end64, 1))
        short_count = min(count, 0xFFFF)
        output.write(
            _END.pack(b"PK\x05\x06", 0, 0, short_count, short_count, min(size, _MAX32), min(start, _MAX32), 0)
        )


def _local_header(raw: bytes, start: int, length: int, crc: int) -> bytes:
    """Return a record's header, padded so that the payload is aligned."""
    wide = length >= _MAX32
    extra = struct.pack("<HHQQ", 1, 16, length, length) if wide else b""
    padding = -(start + _LOCAL.size + len(raw) + len(extra) + 4) % _ALIGNMENT
    extra += struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    size = min(length, _MAX32)
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            45 if wide else 0,
            _UTF8,
            0,
            0,
            _FIRST_OF_JANUARY_1980,
            crc,
            size,
            size,
            len(raw),
            len(extra),
        )
        + raw
        + extra
    )
