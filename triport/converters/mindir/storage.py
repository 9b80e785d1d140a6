"""What the nodes of a MindIR graph read and make while it is converted.

Every MindIR value becomes an entry: a `Cell` (storage that holds a tensor), a tuple of entries, or
a Python constant. MindSpore's in-place operators write into a cell, `Load` copies one, and tuples
keep the cells themselves, so that a later read sees what was written. ONNX has no storage: a cell
merely says which ONNX value it holds now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .graph import MindirTensor, TensorType
from .values import TypedValue


@dataclass(slots=True)
class Cell:
    """Storage of one tensor: in-place operators change what it holds."""

    value: TypedValue
    is_parameter: bool = False
    is_shared: bool = False  # with a view


def store(result: Any) -> Any:
    """Give each tensor that a node made a cell of its own."""
    if isinstance(result, TypedValue):
        return Cell(result)
    if isinstance(result, tuple | list):
        return tuple(store(item) for item in result)
    return result


def iterate_cells(entry: Any) -> Iterator[Cell]:
    """Yield the cells of an entry."""
    if isinstance(entry, Cell):
        yield entry
    elif isinstance(entry, tuple):
        for item in entry:
            yield from iterate_cells(item)


def iterate_types(entry: Any) -> Iterator[TensorType]:
    """Yield the types of tensors in a node's type or in what it reads."""
    if isinstance(entry, TensorType):
        yield entry
    elif isinstance(entry, MindirTensor):
        yield entry.type
    elif isinstance(entry, Cell):
        yield entry.value.type
    elif isinstance(entry, tuple):
        for item in entry:
            yield from iterate_types(item)


def contains(entry: Any, what: Any) -> bool:
    """Return whether an entry is something, or a tuple with it inside."""
    return entry is what or (isinstance(entry, tuple) and any(contains(item, what) for item in entry))
