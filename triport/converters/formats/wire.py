"""Protobuf's wire format, read by position: fields are ranges of a file, not objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from triport.converters.formats.source import FormatError, SourceFile
from triport.reference_models.errors import counted

if TYPE_CHECKING:
    import numpy as np

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_WINDOW_BYTES = 4096
_MAX_VARINT_BYTES = 10
_MAX_FIELDS = 200_000  # of a file: ten a tensor, and a graph around them; read in under a second


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: the field's number.
        wire: the wire type.
        value: of a varint; of other types the offset of the payload in the file.
        length: of the payload in bytes; 0 for a varint.
        start: the offset of the field's key in the file.
    """

    number: int
    wire: int
    value: int
    length: int
    start: int


class NoFieldError(FormatError):
    """Bytes where a field should start, with a number that no field has."""


class WireReader:
    """Reads messages of one file through a small window."""

    def __init__(self, source: SourceFile) -> None:
        """Read from a file."""
        self.source = source
        self._fields_left = _MAX_FIELDS
        self._window = b""
        self._window_start = 0

    def fields(self, start: int, end: int, what: str, stop: bytes | None = None) -> Iterator[Field]:
        """Yield the fields of the message in a range.

        Args:
            start: the offset of its first byte.
            end: the offset after its last byte.
            what: what the message is, for errors.
            stop: bytes at which the message ends early.

        Raises:
            FormatError: a field reaches outside the range, or its wire type is unknown.
        """
        position = start
        while position < end:
            if stop is not None and self.read(position, min(len(stop), end - position)) == stop:
                return
            self._fields_left -= 1
            if self._fields_left < 0:
                raise FormatError(
                    f"{self.source.path}: {what}: has more than {_MAX_FIELDS:,} fields, far beyond any "
                    f"network, which is not read"
                )
            begin = position
            key, position = self._varint(position, end, what)
            number, wire = key >> 3, key & 7
            if not 0 < number < 2**29:
                raise NoFieldError(f"{self.source.path}: {what}: {self._no_field(begin, end, number)}")
            if wire == VARINT:
                value, position = self._varint(position, end, what)
                yield Field(number, wire, value, 0, begin)
                continue
            if wire == LENGTH:
                length, position = self._varint(position, end, what)
            elif wire == FIXED64:
                length = 8
            elif wire == FIXED32:
                length = 4
            else:
                raise FormatError(
                    f"{self.source.path}: {what}: byte {begin:,} starts no protobuf field "
                    f"(wire type {wire}): the file is damaged or has trailing bytes"
                )
            if length > end - position:
                raise FormatError(
                    f"{self.source.path}: {what}: the field at byte {begin:,} states {length:,} bytes, but "
                    f"only "
                    f"{end - position:,} follow: the file is truncated or damaged; get it again"
                )
            yield Field(number, wire, position, length, begin)
            position += length

    def _no_field(self, begin: int, end: int, number: int) -> str:
        """Return what stands where no field does."""
        count = end - begin
        if end == self.source.size and begin and count == self.source.padding_from(begin):
            return (
                f"its last {counted(count, 'byte is 0 and belongs', 'bytes are 0 and belong')} to nothing, "
                f"as where a download took its room and was not finished, or a program fills files up. If "
                f"the file is right without, cut that off: head -c {begin} FILE > NEW"
            )
        return f"byte {begin:,} has field number {number}: damaged"

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, through the window where they are few."""
        if length > _WINDOW_BYTES:
            return self.source.read(offset, length)
        local = offset - self._window_start
        if local < 0 or local + length > len(self._window):
            self._window_start = offset
            self._window = self.source.read(offset, min(_WINDOW_BYTES, self.source.size - offset))
            local = 0
        return self._window[local : local + length]

    def text(self, field: Field, what: str, limit: int = 65536) -> str:
        """Return a string field's text.

        Raises:
            FormatError: it is longer than the limit or not UTF-8.
        """
        if field.wire != LENGTH or field.length > limit:
            raise FormatError(
                f"{self.source.path}: {what} at byte {field.start:,} has {field.length:,} bytes; expected a "
                f"text of "
                f"at most {limit:,}"
            )
        try:
            return self.read(field.value, field.length).decode()
        except UnicodeDecodeError:
            raise FormatError(
                f"{self.source.path}: {what} at byte {field.start:,} is not UTF-8: damaged"
            ) from None

    def varints(self, field: Field, what: str, limit: int) -> list[int]:
        """Return a repeated int64 field's values, packed or not, as signed numbers.

        Raises:
            FormatError: more than `limit` of them.
        """
        if field.wire == VARINT:
            return [signed(field.value)]
        values: list[int] = []
        position, end = field.value, field.value + field.length
        while position < end:
            value, position = self._varint(position, end, what)
            values.append(signed(value))
            if len(values) > limit:
                raise FormatError(
                    f"{self.source.path}: {what} has more than {limit:,} values: the file is damaged"
                )
        return values

    def packed_varints(self, field: Field, what: str) -> Iterator[np.ndarray]:
        """Yield a packed field's values as uint64 arrays, a tenth of the time that `varints` takes.

        Raises:
            FormatError: a value is longer than a varint can be, or the field ends inside one.
        """
        import numpy as np

        data = b""
        for chunk in self.source.chunks(field.value, field.length):
            data += chunk
            octets = np.frombuffer(data, np.uint8)
            ends = np.flatnonzero(octets < 0x80) + 1
            starts = np.concatenate(([0], ends))
            data = data[int(starts[-1]) :]
            sizes = np.diff(starts)
            longest = int(sizes.max(initial=len(data)))
            if longest > _MAX_VARINT_BYTES:
                raise FormatError(
                    f"{self.source.path}: {what}: a number is longer than {_MAX_VARINT_BYTES} bytes: damaged"
                )
            values = np.zeros(len(ends), np.uint64)
            for place in range(longest):
                reach = sizes > place
                septets = octets[starts[:-1][reach] + place] & 0x7F
                values[reach] |= septets.astype(np.uint64) << np.uint64(7 * place)
            yield values
        if data:
            raise FormatError(f"{self.source.path}: {what}: ends inside a number: truncated or damaged")

    def _varint(self, position: int, end: int, what: str) -> tuple[int, int]:
        """Return a varint's value and the offset after it."""
        local = position - self._window_start
        if position < end and 0 <= local < len(self._window) and self._window[local] < 0x80:
            return self._window[local], position + 1  # most are of one byte
        value = shift = 0
        while position < end:
            local = position - self._window_start
            if not 0 <= local < len(self._window):
                self.read(position, 1)
                local = position - self._window_start
            byte = self._window[local]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), position
            shift += 7
            if shift > 63:
                raise FormatError(f"{self.source.path}: {what}: no number at byte {position - 10:,}: damaged")
        raise FormatError(
            f"{self.source.path}: {what}: ends inside a number at byte {position:,}: truncated or damaged; "
            f"get it again"
        )


def signed(value: int) -> int:
    """Return the int64 that a varint stands for."""
    return value - 2**64 if value >= 2**63 else value


def varint(value: int) -> bytes:
    """Return a non-negative number as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
