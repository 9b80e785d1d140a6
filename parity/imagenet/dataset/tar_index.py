"""Where the files of a tar file lie in it, so that they are read without unpacking."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from reference_models.errors import TriportError

from .samples import DatasetError, Image

_BLOCK = 512
_PEEKED = 50


def is_tar(path: Path) -> bool:
    """Whether `path` is a file that begins as a tar file does, compressed or not."""
    try:
        return path.is_file() and tarfile.is_tarfile(path)
    except OSError:
        return False


def peeked_names(path: Path) -> list[str]:
    """Return the names of the first files of a tar file."""
    with _opened(path) as tar:
        return [member.name for member in islice(tar, _PEEKED) if member.isfile()]


def files_of(path: Path) -> Iterator[Image]:
    """Yield every file of an uncompressed tar file, in its order.

    Raises:
        DatasetError: it is compressed, cut short or damaged, or holds what is no plain file.
    """
    end = 0
    try:
        with _opened(path) as tar:
            for member in tar:
                end = member.offset_data + (-(-member.size // _BLOCK) * _BLOCK if member.isreg() else 0)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise DatasetError(f"{path}: {member.name} is a link or another special file")
                yield Image(path, member.name.removeprefix("./"), member.offset_data, member.size)
    except tarfile.TarError as error:
        raise DatasetError(f"{path}: the tar file is damaged or cut short ({error})") from error
    with path.open("rb") as file:
        file.seek(end)
        # without its end mark, a file that was cut between two members would look whole
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise DatasetError(f"{path}: the tar file ends without its end mark: it is cut short")


def _opened(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except tarfile.TarError as error:
        raise DatasetError(
            f"{path}: not an uncompressed tar file ({error}). In a compressed one no image can be read on "
            "its own: decompress it (gunzip), unpacking is not needed"
        ) from error
    except OSError as error:
        raise TriportError(f"{path}: cannot be read ({error.strerror})") from error
