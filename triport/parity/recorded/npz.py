"""Reads a .npz file from someone else: nothing is unpickled, and no more is read than was looked at first."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from triport.reference_models.errors import TriportError, counted

_KINDS = "fiub"
_HEADER_BYTES = 4096
_MEMBERS = 100_000
_TEXT_CHARACTERS = 1 << 20


class NpzError(TriportError):
    """A .npz file cannot be read, or holds something else than arrays of numbers."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a member says of its array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def size_bytes(self) -> int:
        """The bytes of its values."""
        # not NumPy's product, which wraps around
        count = 1
        for side in self.shape:
            count *= side
        return count * self.dtype.itemsize


class NpzFile:
    """The arrays of a .npz file, by name: the headers are read at once, the values when asked for."""

    def __init__(self, path: Path) -> None:
        """Read the headers of `path`.

        Raises:
            NpzError: it is no such file, is damaged, has a name twice, or holds objects.
        """
        self.path = path
        self.headers: dict[str, Header] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                if len(members) > _MEMBERS:
                    raise NpzError(f"{path}: has {counted(len(members), 'array')}, more than {_MEMBERS:,}")
                for member in members:
                    name = member.filename.removesuffix(".npy")
                    if name in self.headers:
                        raise NpzError(f"{path}: has {_shown(name)} twice: damaged or malicious")
                    with archive.open(member) as file:
                        self.headers[name] = self._header(name, member, file)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise self._unreadable(error) from error

    @property
    def names(self) -> list[str]:
        """The names of its arrays."""
        return list(self.headers)

    def array(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Return an array of numbers.

        Args:
            name: of the array.
            shape: what it must have; None for any, of an array whose values lie in the file as they are.

        Raises:
            NpzError: it is of another shape, of no numbers, damaged, or compressed where no shape says how
                large it may be.
        """
        header = self.headers[name]
        if header.dtype.kind not in _KINDS:
            raise NpzError(f"{self.path}: {_shown(name)}: expected numbers, found {header.dtype}")
        if shape is not None and header.shape != shape:
            raise NpzError(f"{self.path}: {_shown(name)}: expected the shape {shape}, found {header.shape}")
        flat = np.frombuffer(self._data(name, header, compressed=shape is not None), header.dtype)
        found = flat.reshape(header.shape, order="F" if header.fortran else "C")
        return found.astype(found.dtype.newbyteorder("="), copy=False)

    def text(self, name: str) -> str:
        """Return a text: an array of characters without axes.

        Raises:
            NpzError: it is not there, or is no such array.
        """
        header = self.headers.get(name)
        if header is None:
            raise NpzError(f"{self.path}: has no {_shown(name)}")
        if header.dtype.kind != "U" or header.shape or header.size_bytes > 4 * _TEXT_CHARACTERS:
            raise NpzError(
                f"{self.path}: {_shown(name)}: expected a text, found {header.dtype} {header.shape}"
            )
        data = self._data(name, header, compressed=True)
        try:
            # not by NumPy, which fails on what is no character
            return data.decode("utf-32-be" if header.dtype.byteorder == ">" else "utf-32-le").rstrip("\0")
        except UnicodeError as error:
            raise NpzError(f"{self.path}: {_shown(name)}: is no text ({_first(error)})") from error

    def _header(self, name: str, member: zipfile.ZipInfo, file: IO[bytes]) -> Header:
        try:
            # later versions are of headers that no array of numbers needs, and state their length in 4 bytes
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ValueError(f"format version {version}")
            read: Any = np.lib.format.read_array_header_1_0  # the stubs lack an argument
            shape, fortran, dtype = read(file, max_header_size=_HEADER_BYTES)
        except Exception as error:  # whatever Python's own tokenizer and parser raise on such a text
            raise NpzError(f"{self.path}: {_shown(name)} is no array of numbers: {_first(error)}") from error
        if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
            raise NpzError(
                f"{self.path}: {_shown(name)} holds Python objects or records, which are not read: "
                "save numbers"
            )
        header = Header(tuple(int(side) for side in shape), dtype, bool(fortran))
        start = file.tell()
        if any(side < 0 for side in header.shape) or start + header.size_bytes != member.file_size:
            raise NpzError(
                f"{self.path}: {_shown(name)} states {header.size_bytes:,} bytes of values, and has "
                f"{max(0, member.file_size - start):,}: damaged"
            )
        return header

    def _data(self, name: str, header: Header, *, compressed: bool) -> bytes:
        """Return the bytes of the values; of a compressed member only where that is allowed."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = self._member(archive, name)
                if member.compress_type != zipfile.ZIP_STORED and not compressed:
                    raise NpzError(f"{self.path}: {_shown(name)} is compressed: save it with np.savez")
                if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
                    raise NpzError(f"{self.path}: {_shown(name)} has two sizes: damaged or malicious")
                with archive.open(member) as file:
                    file.seek(member.file_size - header.size_bytes)
                    data = file.read(header.size_bytes + 1)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise self._unreadable(error) from error
        if len(data) != header.size_bytes:
            raise NpzError(f"{self.path}: {_shown(name)} is cut: save it again")
        return data

    def _member(self, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
        try:
            return archive.getinfo(f"{name}.npy")
        except KeyError:
            return archive.getinfo(name)

    def _unreadable(self, error: Exception) -> NpzError:
        return NpzError(
            f"{self.path}: cannot be read as a .npz file ({_first(error)}): write it with np.savez"
        )


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, uncompressed, as `np.load` reads them."""
    with path.open("wb") as file:
        np.savez(file, **cast("dict[str, Any]", dict(arrays)))


def _shown(name: str) -> str:
    return repr(name[:200]) if name.isprintable() else ascii(name[:200])


def _first(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    return text if text.isprintable() else ascii(text)[1:-1]
