"""Where the files of a tar file lie in it, so that they are read without unpacking."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from triport.reference_models.errors import TriportError

from .samples import DatasetError, Image, printable

_BLOCK = 512
_PEEKED = 50
_CHUNK = 1 << 20


def is_tar(path: Path) -> bool:
    """Whether `path` is a file that begins as a tar file does, compressed or not."""
    try:
        return path.is_file() and tarfile.is_tarfile(path)
    except OSError:
        return False


def peeked_names(path: Path) -> list[str]:
    """Return the names of the first files of a tar file."""
    try:
        with _opened(path) as tar:
            return [member.name for member in islice(tar, _PEEKED) if member.isfile()]
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: the tar file is damaged or cut short ({error})") from error


def files_of(path: Path) -> Iterator[Image]:
    """Yield every file of an uncompressed tar file, in its order.

    Raises:
        DatasetError: it is compressed, cut short or damaged, goes on after its end mark, or holds what is no
            plain file or a name twice.
    """
    end = 0
    seen: set[str] = set()
    try:
        with _opened(path) as tar:
            for member in tar:
                end = member.offset_data + (-(-member.size // _BLOCK) * _BLOCK if member.isreg() else 0)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise DatasetError(f"{path}: {printable(member.name)} is a link or another special file")
                name = str(PurePosixPath(member.name))
                if name in seen:
                    raise DatasetError(
                        f"{path}: holds {printable(name)} twice, as `tar -r` leaves it. Unpacking keeps the "
                        "last: unpack it and pack it again"
                    )
                seen.add(name)
                yield Image(path, name, member.offset_data, member.size)
    except (tarfile.TarError, ValueError, EOFError) as error:  # a number or a text in a header that is none
        raise DatasetError(f"{path}: the tar file is damaged or cut short ({error})") from error
    _check_end(path, end)


def _check_end(path: Path, end: int) -> None:
    """Raise DatasetError unless the end mark stands at `end`, with nothing but filling after it."""
    with path.open("rb") as file:
        file.seek(end)
        # without its end mark, a file that was cut between two members would look whole
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise DatasetError(f"{path}: the tar file ends without its end mark: it is cut short")
        while tail := file.read(_CHUNK):
            if tail.strip(b"\0"):
                raise DatasetError(
                    f"{path}: goes on after its end mark, as tar files joined end to end do: what follows "
                    "would not be read. Join them with `tar --concatenate`, or give them one by one"
                )


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
