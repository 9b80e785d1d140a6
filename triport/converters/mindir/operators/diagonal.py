"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np
import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

NO_VECTOR = "it is of a tensor of {rank} axes"


@mindir_operator("Diagonal")
def diagonal(call: MindirCall, builder: Builder) -> TypedValue:
    """Take a diagonal of two axes, which becomes the last axis."""
    offset, first, second = (call.constant(index) for index in range(1, 4))
    return _diagonal(builder, call.tensor(0), offset, first, second)


@mindir_operator("DiagonalView", is_view=True)
def diagonal_view(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same with the same storage."""
    offset, first, second = (call.constant(index) for index in range(1, 4))
    return _diagonal(builder, call.tensor(0), offset, first, second)


@mindir_operator("Trace", "TraceExt")
def trace(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up the diagonal of a matrix."""
    return builder.reduce("ReduceSum", _diagonal(builder, call.tensor(0), 0, 0, 1), [0], keep_dims=False)


@mindir_operator("Diag", "DiagExt", refuses=(NO_VECTOR,))
def make_or_take_diagonal(call: MindirCall, builder: Builder) -> TypedValue:
    """Make a matrix of a vector on a diagonal, zeros elsewhere; of a matrix, take the diagonal."""
    x, offset = call.tensor(0), 0
    if call.primitive == "DiagExt":
        offset = call.constant(1)
        if len(x.shape) == 2:
            return _diagonal(builder, x, offset, 0, 1)
    if len(x.shape) != 1:
        raise call.unsupported(NO_VECTOR, rank=len(x.shape))
    size = x.shape[0] + abs(offset)
    check_size(size, size)
    before, after = max(-offset, 0), max(offset, 0)  # row i holds what lies at column i + offset
    if offset:
        x = builder.add("Pad", [x, builder.constant([before, after])], TensorType(x.type.elem_type, (size,)))
    mask = builder.constant(np.eye(size, k=offset, dtype=bool), onnx.TensorProto.BOOL)
    return builder.add("Where", [mask, builder.unsqueeze(x, [1]), builder.scalar(0, x)])


def _diagonal(builder: Builder, x: TypedValue, offset: int, first: int, second: int) -> TypedValue:
    """Return the elements (i, i + offset) of two axes: of their one axis, every so many-th."""
    rank = len(x.shape)
    first, second = first % rank, second % rank
    rows, columns = x.shape[first], x.shape[second]
    length = max(min(rows - max(-offset, 0), columns - max(offset, 0)), 0)
    check_size(length)
    index = [(i + max(-offset, 0)) * columns + i + max(offset, 0) for i in range(length)]
    others = [axis for axis in range(rank) if axis not in (first, second)]
    turned = builder.transpose(x, [*others, first, second])
    flat = builder.reshape(turned, (*turned.shape[:-2], rows * columns))
    return builder.pick(flat, rank - 2, index)


@mindir_operator("Tril", "TrilExt", "Triu")
def triangle(call: MindirCall, builder: Builder) -> TypedValue:
    """Set the elements above or below a diagonal of the last two axes to zero."""
    x = call.tensor(0)
    diagonal = call.attribute("diagonal") if "diagonal" in call.node.attributes else call.constant(1)
    rows, columns = x.shape[-2:]
    check_size(rows, columns)
    upper = call.primitive == "Triu"
    mask = [
        [column - row >= diagonal if upper else column - row <= diagonal for column in range(columns)]
        for row in range(rows)
    ]
    return builder.add("Where", [builder.constant(mask, onnx.TensorProto.BOOL), x, builder.scalar(0, x)])
