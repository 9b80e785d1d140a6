"""A value of the ONNX graph that is being written, and why a call cannot be written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from .graph import TensorType

MAX_CONSTANT = 1 << 22  # elements of a constant that may be made


class UnsupportedCallError(Exception):
    """One call cannot be converted; gathered into an UnsupportedOperatorsError."""


@dataclass(frozen=True, slots=True)
class TypedValue:
    """An ONNX value; `type` holds the shape that MindSpore traced."""

    ir: ir.Value
    type: TensorType

    @property
    def name(self) -> str:
        """Its name, by which it is told from every other."""
        return self.ir.name or ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The traced shape, batch size included."""
        return self.type.shape


def make_value(name: str, type_: TensorType) -> TypedValue:
    """Return a new value of a name and a traced type."""
    described = ir.Value(
        name=name, shape=ir.Shape(type_.shape), type=ir.TensorType(ir.DataType(type_.elem_type))
    )
    return TypedValue(described, type_)


def value_of(made: ir.Value) -> TypedValue:
    """Return a value of the graph with the type that it was made with."""
    assert made.dtype is not None and made.shape is not None
    sizes = tuple(size for size in made.shape if isinstance(size, int))
    return TypedValue(made, TensorType(made.dtype.value, sizes))


def check_size(*shape: int) -> None:
    """Refuse a constant too large to be meant, as only a damaged file asks for.

    Raises:
        UnsupportedCallError: it has more than `MAX_CONSTANT` elements.
    """
    if math.prod(shape) > MAX_CONSTANT:
        raise UnsupportedCallError(f"it needs a constant of shape {shape}, of over {MAX_CONSTANT} elements")
