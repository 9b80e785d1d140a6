"""What is known of an ONNX value while its graph is written: an array, sizes, or a variable's name."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .expressions import literal


@dataclass(slots=True)
class Known:
    """A constant: an initializer, a Constant node's value, or what follows from them.

    `origin` is the name of the initializer that it is, or of which it is the transpose.
    """

    array: np.ndarray
    origin: str | None = None
    transposed: bool = False
    trained: bool = False


@dataclass(slots=True)
class Sizes:
    """Whole numbers of Python at run time: a tensor of rank 0 or 1 that comes from shapes."""

    elements: tuple[int | ast.expr, ...]
    scalar: bool = False
    dtype: str = "int64"

    @property
    def tree(self) -> ast.expr:
        """The expression of all of it."""
        return literal(self.elements[0]) if self.scalar else literal(self.elements)


@dataclass(slots=True)
class Variable:
    """A tensor in a variable."""

    name: str


Rep = Known | Sizes | Variable


def sizes_of(array: np.ndarray) -> Sizes | None:
    """Return a constant as sizes, if it can be."""
    if array.dtype.kind in "iu" and array.ndim <= 1 and array.size <= 64:
        return Sizes(tuple(int(v) for v in array.reshape(-1)), array.ndim == 0)
    return None


def shortest(value: np.float32) -> float:
    """Return the shortest decimal that rounds to a number and is none beyond those of its type.

    PyTorch refuses 3.4028235e+38 as a float32, for the largest of them is a little less.
    """
    found = float(str(value))
    return found if abs(found) <= float(np.finfo(np.float32).max) or np.isinf(value) else float(value)


def number(array: np.ndarray) -> int | float | bool:
    """Return the one element of an array as a number that gives just that element again."""
    value = array.reshape(-1)[0]
    if array.dtype == np.float32:
        return shortest(value)
    return value.item() if array.dtype.kind in "fiub" else float(value)


def fields_of(value: Any) -> tuple[str, list[int | str | None] | None]:
    """Return dtype (as onnx_ir writes it, in lower case) and shape of an ir.Value."""
    kind, shape = value.dtype, value.shape
    dtype = _name_of(kind) if kind is not None else ""
    if shape is None:
        return dtype, None
    return dtype, [n if isinstance(n, int) else n.value for n in shape]


@cache
def _name_of(kind: Any) -> str:
    """Return the name of an onnx_ir.DataType."""
    name = str(kind.name).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)
