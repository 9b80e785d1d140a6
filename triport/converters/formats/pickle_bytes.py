"""The bytes of pickles: numbers, texts and lines as the opcodes have them, none read past the end."""

from __future__ import annotations

from triport.converters.formats.pickled_values import Global
from triport.converters.formats.source import FormatError

_MAX_LONG_BYTES = 1024
_MAX_LINE_BYTES = 4096


class PickleEndError(FormatError):
    """A pickle that goes on after the bytes given."""


class PickleBytes:
    """A stretch of bytes that is read from a position on.

    Attributes:
        data: the bytes.
        path: the file, for errors.
        what: what the bytes are in the file, for errors.
        position: where what is read next starts.
    """

    def __init__(self, data: bytes, path: str, what: str, start: int) -> None:
        self.data = data
        self.path = path
        self.what = what
        self.position = start

    def _end_error(self) -> PickleEndError:
        return PickleEndError(
            f"{self.path}: {self.what} ends in the middle: the file is truncated; get it again"
        )

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self.data):
            raise self._end_error()
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def _line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + _MAX_LINE_BYTES)
        if end < 0:
            raise self._error("has a line without an end", self.position)
        line = self.data[self.position : end].decode("latin-1")
        self.position = end + 1
        return line

    def _byte(self) -> int:
        position = self.position
        if position == len(self.data):
            raise self._end_error()
        self.position = position + 1
        return self.data[position]

    def _number(self, length: int) -> int:
        return int.from_bytes(self._take(length), "little")

    def _text(self, length_bytes: int) -> str:
        # as pickle writes texts, half characters of paths that are no UTF-8 among them
        return self._take(self._number(length_bytes)).decode("utf-8", "surrogatepass")

    def _bytes(self, length_bytes: int) -> bytes:
        return self._take(self._number(length_bytes))

    def _python2_text(self, length_bytes: int) -> str:
        return self._bytes(length_bytes).decode("latin-1")

    def _long(self, length_bytes: int) -> int:
        length = self._number(length_bytes)
        if length > _MAX_LONG_BYTES:
            raise self._limit(f"has a number of {length:,} bytes", self.position)
        return int.from_bytes(self._take(length), "little", signed=True)

    def _decimal(self) -> int | bool:
        line = self._line()
        if line in ("00", "01"):
            return line == "01"
        return int(line.rstrip("L"))

    def _quoted(self) -> str:
        line = self._line().strip()
        if len(line) < 2 or line[0] != line[-1] or line[0] not in "'\"":
            raise ValueError
        return line[1:-1]

    def _global(self) -> Global:
        return Global(self._line(), self._line())

    def _error(self, why: str, position: int) -> FormatError:
        return FormatError(
            f"{self.path}: {self.what} {why} (byte {position:,}): the file is damaged, or is no checkpoint"
        )

    def _limit(self, why: str, position: int) -> FormatError:
        return FormatError(
            f"{self.path}: {self.what} {why} (byte {position:,}), which no state dict needs and which is not "
            f"read. Save the model's state_dict() alone"
        )
