"""Lists of labels and classes as people's programs write them: with a byte order mark and any line ends."""

from __future__ import annotations

import codecs
from pathlib import Path

from .samples import DatasetError

# a list of labels of all training images has 80 MB; an image or an archive given by mistake is not read whole
_LARGEST = 256 << 20


def text_of(path: Path, what: str) -> str:
    """Return the text of a file, without its byte order mark; `what` says what it should be.

    Raises:
        DatasetError: it cannot be read, or is no text.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DatasetError(f"{path}: cannot be read as {what}: it has more than {_LARGEST >> 20} MiB")
        return decoded_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as {what} ({error})") from error


def lines_of(path: Path, what: str) -> list[str]:
    """Return the lines of a text file."""
    return text_of(path, what).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def decoded_text(data: bytes) -> str:
    """Return text in UTF-8, or in UTF-16 with its mark, which PowerShell writes.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")
