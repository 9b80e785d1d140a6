"""ONNX external data: tensors in files beside the model, which must not lead anywhere else.

A path that leaves the model's folder, a symbolic link at any step and a hard link are refused
(CVE-2022-25882, CVE-2024-27318, CVE-2025-51480, CVE-2026-27489, -34445, -34446, -34447).
Source: onnx/docs/ExternalData.md of onnx 1.23.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import ITEM_BYTES, FileTensor, short
from triport.reference_models.errors import counted

_KEYS = {"location", "offset", "length", "checksum", "basepath"}
_MAX_FILES = 10_000
_MAX_NAME = 255  # of one step of a path, and of all of it, on the systems that there are
_MAX_PATH = 4096


class ExternalData:
    """The data files of one model.

    Attributes:
        paths: of those that were opened.
    """

    def __init__(self, model_path: str) -> None:
        """Look for data files beside a model."""
        self.model_path = model_path
        self._folder = Path(model_path).parent
        self.paths: list[str] = []
        self._files: dict[str, SourceFile] = {}
        self._sha1: dict[str, str] = {}  # each file is read once, however many tensors state it
        self._taken: dict[str, dict[tuple[int, int], str]] = {}

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str, entries: Mapping[str, str]) -> FileTensor:
        """Return a tensor whose payload lies in a data file.

        Args:
            name: of the tensor, for errors.
            shape: the dimensions.
            dtype: a key of ITEM_BYTES.
            entries: external_data of its TensorProto.

        Raises:
            FormatError: the file is missing or not allowed, or the range is not in it.
        """
        what = f"{self.model_path}: tensor '{short(name)}': its external data"
        unknown = set(entries) - _KEYS
        if unknown or "location" not in entries:
            problem = f"has an unknown key '{short(min(unknown))}'" if unknown else "has no location"
            raise FormatError(f"{what} {problem}: refused")
        location = entries["location"]
        source = self._open(location, what)
        offset = _count(entries.get("offset", "0"), what)
        needed = math.prod(shape) * ITEM_BYTES[dtype]  # as many as ONNX Runtime takes where none is stated
        length = _count(entries["length"], what) if "length" in entries else needed
        tensor = FileTensor(source, shape, dtype, ((offset, length),))
        if length != needed:
            raise FormatError(
                f"{what} has {length:,} bytes, but {dtype}{list(shape)} needs {needed:,}: damaged"
            )
        try:
            source.check_range(offset, length, f"tensor '{short(name)}'")
        except FormatError as error:  # which names the data file alone
            raise FormatError(f"{what}: {error}") from None
        if "checksum" in entries:
            self._check(location, entries["checksum"], what)
        self._taken.setdefault(location, {})[offset, length] = name
        return tensor

    @property
    def size(self) -> int:
        """The size of all data files in bytes."""
        return sum(source.size for source in self._files.values())

    def check_overlaps(self) -> None:
        """Raise FormatError if two tensors share a part of their bytes (all of them may be shared)."""
        for location, ranges in self._taken.items():
            end, before = 0, ""
            for (offset, length), name in sorted(ranges.items()):
                if length and offset < end:
                    raise FormatError(
                        f"{self.model_path}: tensors '{short(before)}' and '{short(name)}' overlap in "
                        f"'{short(location)}': damaged or malicious"
                    )
                if length:
                    end, before = offset + length, name

    def _open(self, location: str, what: str) -> SourceFile:
        """Return a data file, every step to it checked."""
        if location in self._files:
            return self._files[location]
        parts = location.split("/")
        shown = short(location)
        # Windows' forms too: such a file would be another one there
        if (
            not location
            or location.startswith("/")
            or "\\" in location
            or "\0" in location
            or ":" in parts[0]
        ):
            raise FormatError(
                f"{what} is at '{shown}'; expected a path relative to the model's folder: refused"
            )
        if ".." in parts:
            raise FormatError(f"{what} is at '{shown}', outside the model's folder: refused")
        if len(self._files) == _MAX_FILES:
            raise FormatError(
                f"{what} is in file number {_MAX_FILES + 1:,}; expected fewer; so many are not opened"
            )
        parts = [part for part in parts if part not in ("", ".")]
        if len(location) > _MAX_PATH or any(len(part) > _MAX_NAME for part in parts):
            raise FormatError(
                f"{what} is at '{shown}' ({counted(len(location), 'character')}): no file has that name"
            )
        source = self._open_steps(parts, shown, what)
        if source.hard_links > 1:
            raise FormatError(
                f"{what} is in '{shown}', which is a hard link (of {source.hard_links} to one file) and may "
                f"be any "
                f"file of yours: refused. Copy the file if it is right"
            )
        self._files[location] = source
        self.paths.append(str(self._folder / Path(*parts)))
        return source

    def _open_steps(self, parts: list[str], shown: str, what: str) -> SourceFile:
        """Open a file folder by folder, following no link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            folder = os.open(self._folder, flags)
        except OSError as error:
            raise FormatError(f"{what}: the folder {self._folder} cannot be read: {error.strerror}") from None
        try:
            for part in parts[:-1]:
                try:
                    inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=folder)
                except OSError:
                    raise FormatError(
                        f"{what} is at '{shown}', but '{short(part)}' is no folder there (a link is not "
                        f"followed)"
                    ) from None
                os.close(folder)
                folder = inner
            name = parts[-1] if parts else "."
            try:
                return SourceFile(name, folder, os.O_NOFOLLOW, shown=f"{self._folder}/{shown}")
            except FormatError as error:
                raise FormatError(f"{what}: {error}") from None
        finally:
            os.close(folder)

    def _check(self, location: str, stated: str, what: str) -> None:
        """Compare a data file's SHA-1 with the one that the model states."""
        import hashlib

        source = self._files[location]
        if location not in self._sha1:
            digest = hashlib.sha1(usedforsecurity=False)
            for chunk in source.chunks(0, source.size):
                digest.update(chunk)
            self._sha1[location] = digest.hexdigest()
        if self._sha1[location] != stated.lower():
            raise FormatError(
                f"{what}: the SHA-1 of {source.path} is not the one that the model states: damaged"
            )


def _count(text: str, what: str) -> int:
    """Return a number that is written in decimal digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise FormatError(f"{what} has an offset or length '{short(text)}'; expected a number from 0 on")
    return int(text)
