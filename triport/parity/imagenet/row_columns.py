"""Reads rows of images back, to compare them: those that `evaluate` wrote, or those of any other tool.

A file is data from someone else: every field is checked, and what is printed of it is printable.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triport.converters.formats.source import missing_file_hint
from triport.reference_models.errors import counted, listed

from .blocks import TOP
from .dataset import printable
from .dataset.samples import fingerprint_of
from .rows import MARK, RowsError

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_TOP1 = re.compile(r"(?:([a-z])_)?top1")
_DELIMITERS = ",;\t"
_HEAD_BYTES = 1 << 16
COLUMNS = "image,label,top1 (and, where known, top2 to top5, logit1 to logit5, blake2b)"


@dataclass(frozen=True, slots=True, eq=False)
class ImageRows:
    """What one network says of images, by a file.

    `labels` (N,) and `digests`, the hashes of the images' bytes, are None where the file has none; `classes`
    (N, 1 to 5), best first; `logits` of the same shape, NaN where the file has none. `stated` is what the
    file says of the network and of how it was run, text by what it is of, empty where it says nothing;
    `whole` is whether it has all images of the run that it states, None where it states none.
    """

    path: Path
    names: tuple[str, ...]
    labels: np.ndarray | None
    digests: tuple[str, ...] | None
    classes: np.ndarray
    logits: np.ndarray
    stated: Mapping[str, str]
    whole: bool | None

    def __len__(self) -> int:
        return len(self.names)


def is_rows(path: Path) -> bool:
    """Whether a file is one of rows, or means to be: by its first lines, or as it is called.

    Raises:
        RowsError: it is called as files of rows are, and there is none.
    """
    is_called_so = path.suffix.lower() in (".csv", ".tsv")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        if is_called_so and isinstance(error, FileNotFoundError):
            raise RowsError(f"{path}: no such file; {missing_file_hint(str(path))}") from None
        return False
    if head.startswith(MARK.encode()):
        return True
    if b"\0" in head:
        return False
    text = head.decode("utf-8-sig", errors="replace")
    header = next((line for line in text.split("\n") if line.strip() and not line.startswith("#")), "")
    return "image" in _fields(header) or is_called_so


def read_rows(path: Path) -> list[ImageRows]:
    """Return the rows of every network in a file: one, or of a pair two.

    Raises:
        RowsError: it cannot be read, lacks a column, or a line of it is damaged.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RowsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise RowsError(f"{path}: no rows: it is not UTF-8 text ({error.reason})") from error
    marked = text.startswith(MARK)
    if marked and not text.endswith("\n"):
        raise RowsError(f"{path}: its last line is cut: go on with the run that wrote it (--resume)")
    identity = _identity(path, text[len(MARK) :].partition("\n")[0]) if marked else {}
    lines = [
        (number, line.removesuffix("\r"))
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not (line.startswith("#") and (number == 1 or not marked))
    ]
    table = _Table.of(path, lines)
    names = tuple(printable(name) for name in table.column("image"))
    _check_once(path, names)
    labels = table.numbers("label") if "label" in table.header else None
    digests = tuple(table.column("blake2b")) if "blake2b" in table.header else None
    prefixes = [f"{found[1]}_" if found[1] else "" for found in map(_TOP1.fullmatch, table.header) if found]
    whole = _is_whole(identity, names, labels)
    return [
        ImageRows(path, names, labels, digests, *table.best(prefix), _stated(identity, place), whole)
        for place, prefix in enumerate(prefixes)
    ]


@dataclass(frozen=True, slots=True)
class _Table:
    """The fields of a file, each row with its line's number."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]

    @classmethod
    def of(cls, path: Path, lines: Sequence[tuple[int, str]]) -> _Table:
        if not lines:
            raise RowsError(f"{path}: is empty; expected the columns {COLUMNS}")
        delimiter = _delimiter(lines[0][1])
        header = _fields(lines[0][1])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise RowsError(f"{path}: has more than one column {', '.join(map(printable, twice))}")
        if "image" not in header or not any(map(_TOP1.fullmatch, header)):
            found = ", ".join(printable(name) for name in header[:20])
            raise RowsError(f"{path}: expected the columns {COLUMNS} in its first line, found {found[:300]}")
        rows = []
        for number, line in lines[1:]:
            try:
                # a line at a time: a quotation mark cannot join two of them
                row = next(csv.reader([line], strict=True, delimiter=delimiter), [])
            except csv.Error as error:
                raise RowsError(f"{path}: line {number} cannot be read ({error})") from error
            if len(row) != len(header):
                raise RowsError(
                    f"{path}: line {number} has {counted(len(row), 'field')}, and there are "
                    f"{counted(len(header), 'column')}"
                )
            rows.append((number, row))
        if not rows:
            raise RowsError(f"{path}: has no row")
        return cls(path, header, tuple(rows))

    def column(self, name: str) -> list[str]:
        place = self.header.index(name)
        return [row[place] for _, row in self.rows]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of classes."""
        place = self.header.index(name)
        for line, row in self.rows:
            if not _NUMBER.fullmatch(row[place].strip()):
                raise RowsError(
                    f"{self.path}: line {line}: {name}: expected the number of a class, from 0 on, found "
                    f"{printable(row[place][:40])!r}"
                )
        return np.array([int(row[place]) for _, row in self.rows], np.int64)

    def best(self, prefix: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the best classes of a network, and their logits."""
        tops = [f"{prefix}top{place}" for place in range(1, TOP + 1)]
        places = next((place for place, name in enumerate(tops) if name not in self.header), TOP)
        classes = np.stack([self.numbers(name) for name in tops[:places]], axis=1)
        for (line, _), row in zip(self.rows, classes.tolist(), strict=True):
            if len(set(row)) < places:
                raise RowsError(f"{self.path}: line {line}: names a class twice among the best")
        logits = np.full(classes.shape, np.nan, np.float32)
        for place in range(places):
            name = f"{prefix}logit{place + 1}"
            if name in self.header:
                logits[:, place] = self._logits(name)
        return classes, logits

    def _logits(self, name: str) -> list[float]:
        place = self.header.index(name)
        values = []
        for line, row in self.rows:
            try:
                value = float(row[place])
            except ValueError:
                value = np.nan
            if not abs(value) <= np.finfo(np.float32).max:
                raise RowsError(
                    f"{self.path}: line {line}: {name}: expected a number, found "
                    f"{printable(row[place][:40])!r}"
                )
            values.append(value)
        return values


def _fields(header: str) -> tuple[str, ...]:
    """Return the names of the columns in a first line."""
    try:
        header = header.strip()
        row = next(csv.reader([header], delimiter=_delimiter(header), skipinitialspace=True), [])
    except csv.Error:
        return ()
    return tuple(name.strip().lower() for name in row)


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _check_once(path: Path, names: Sequence[str]) -> None:
    seen: set[str] = set()
    twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise RowsError(
            f"{path}: {counted(len(twice), 'image has', 'images have')} more than one row\n{listed(twice)}"
        )


def _identity(path: Path, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError
    except (ValueError, RecursionError):
        raise RowsError(f"{path}: its first line is not what `evaluate` writes") from None
    return found


def _is_whole(identity: Mapping[str, Any], names: Sequence[str], labels: np.ndarray | None) -> bool | None:
    """Return whether names and labels are those that the run began with; None where it does not say."""
    if "dataset_sha256" not in identity or labels is None:
        return None
    return fingerprint_of(zip(names, labels.tolist(), strict=True)) == identity["dataset_sha256"]


def _stated(identity: Mapping[str, Any], place: int) -> dict[str, str]:
    """Return what the first line says of one of its networks, flat, each value as text."""
    models = identity.get("models")
    model = models[place] if isinstance(models, list) and place < len(models) else {}
    if not isinstance(model, dict):
        return {}
    flat: dict[str, Any] = {}
    for key, value in model.items():
        if isinstance(value, dict):
            flat |= {f"{key} {name}": one for name, one in value.items()}
        else:
            flat[key] = value
    for key in ("pillow", "revision") if model else ():
        if key in identity:
            flat[key] = identity[key]
    return {printable(str(key)[:60]): _text(value) for key, value in flat.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        text = "/".join(map(str, value))
    else:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return printable(text[:200])
