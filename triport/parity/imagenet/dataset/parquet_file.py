"""Rows of Parquet files, few row groups in memory at a time; only such files need pyarrow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from triport.reference_models.errors import TriportError

from .samples import DatasetError

# images are read in order, by threads: the groups of the batches that are decoded ahead
_GROUPS_KEPT = 3
LARGEST_GROUP = 1 << 30

_groups: OrderedDict[tuple[Path, int, str], Any] = OrderedDict()
_lock = threading.Lock()

# what pyarrow's errors derive from
PARQUET_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError)


def opened(file: Path) -> Any:
    """Return a Parquet file, of which only the end is read.

    Raises:
        TriportError: pyarrow is not installed.
        DatasetError: it is no Parquet file, or damaged.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise TriportError(
            f"{file}: reading Parquet files needs pyarrow ({error}). Install it: "
            'pip install "triport[parquet]"'
        ) from error
    try:
        return parquet.ParquetFile(file)
    except PARQUET_ERRORS as error:
        raise DatasetError(f"{file}: cannot be read as a Parquet file ({error})") from error


def bytes_of_row(file: Path, group: int, row: int, column: str) -> bytes:
    """Return the bytes in a row of a column, `image` or `image.bytes`.

    Raises:
        OSError: they cannot be read, or there are none.
    """
    values = _group(file, group, column)
    try:
        value = values[row].as_py()
    except IndexError:
        value = None
    if not isinstance(value, bytes):
        raise OSError("its row holds no bytes")
    return value


def _group(file: Path, group: int, column: str) -> Any:
    key = (file, group, column)
    with _lock:
        if key in _groups:
            _groups.move_to_end(key)
            return _groups[key]
        while len(_groups) >= _GROUPS_KEPT:
            _groups.popitem(last=False)
        outer, _, inner = column.partition(".")
        try:
            values = opened(file).read_row_group(group, [column], use_threads=False).column(outer)
            values = values.combine_chunks()
            _groups[key] = values.field(inner) if inner else values
        except (*PARQUET_ERRORS, DatasetError) as error:
            raise OSError(str(error)) from error
        return _groups[key]
