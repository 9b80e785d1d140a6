"""Writing elements and slices to places given by index."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

REDUCTIONS = {0: "none", 1: "add", "none": "none", "add": "add"}
REDUCED = {"reduce": tuple(REDUCTIONS)}
PART = "it adds a part of the updates; cut them to the index's shape"
ADDS_UP = "adding up at equal indices needs opset 16 or later"


@mindir_operator("ScatterNd", refuses=(ADDS_UP,))
def scatter_nd(call: MindirCall, builder: Builder) -> TypedValue:
    """Put slices into zeros; equal indices add up."""
    index, updates = builder.cast(call.tensor(0), onnx.TensorProto.INT64), call.tensor(1)
    shape = call.constant(2)
    _require_reduction(call, builder)
    zeros = builder.zeros(shape, updates)
    return builder.add("ScatterND", [zeros, index, updates], reduction="add")


@mindir_operator("TensorScatterAdd", lowest_opset=16)
def tensor_scatter_add(call: MindirCall, builder: Builder) -> TypedValue:
    """Add slices; equal indices add up."""
    index = builder.cast(call.tensor(1), onnx.TensorProto.INT64)
    return builder.add("ScatterND", [call.tensor(0), index, call.tensor(2)], reduction="add")


@mindir_operator("TensorScatterElements", "Scatter", takes=REDUCED, refuses=(ADDS_UP,))
def scatter_elements(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace elements along an axis, or add to them, by an index for each."""
    x = call.tensor(0)
    if call.primitive == "Scatter":
        axis, reduction = call.constant(1), call.constant(4)
        index, updates = call.tensor(2), call.tensor(3, like=x)
    else:
        index, updates = call.tensor(1), call.tensor(2)
        axis, reduction = call.constant(3), call.constant(4)
    return _scatter(call, builder, [x, index, updates], axis, reduction)


@mindir_operator("ScatterAddExt", takes=REDUCED, refuses=(PART, ADDS_UP))
def scatter_add(call: MindirCall, builder: Builder) -> TypedValue:
    """Add to elements along an axis, by an index for each; equal indices add up."""
    x, axis, index, updates = call.tensor(0), call.constant(1), call.tensor(2), call.tensor(3)
    if updates.shape != index.shape:
        raise call.unsupported(PART)
    return _scatter(call, builder, [x, index, updates], axis, "add")


@mindir_operator("ScatterValue", takes=REDUCED, refuses=(ADDS_UP,))
def scatter_value(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace elements along an axis by a number, or add it to them, by an index for each."""
    x, axis, index = call.tensor(0), call.constant(1), call.tensor(2)
    number, reduction = call.constant(3), call.constant(4)
    if builder.is_free_of_inputs(index):
        updates = builder.full(index.shape, number, x.type.elem_type)
    else:
        shape = builder.add("Shape", [index], TensorType(onnx.TensorProto.INT64, (len(index.shape),)))
        fill = helper.make_tensor("", x.type.elem_type, [1], [number])
        type_ = TensorType(x.type.elem_type, index.shape)
        updates = builder.add("ConstantOfShape", [shape], type_, value=fill)
    return _scatter(call, builder, [x, index, updates], axis, reduction)


def _scatter(
    call: MindirCall, builder: Builder, inputs: list[TypedValue], axis: int, reduction: int | str
) -> TypedValue:
    call.require("reduce", reduction)
    attributes: dict[str, Any] = {}
    if REDUCTIONS[reduction] != "none":
        _require_reduction(call, builder)
        attributes["reduction"] = REDUCTIONS[reduction]
    return builder.add("ScatterElements", inputs, axis=axis, **attributes)


@mindir_operator("IndexAddExt", lowest_opset=16)
def index_add(call: MindirCall, builder: Builder) -> TypedValue:
    """Add slices along an axis, by an index for each; equal indices add up."""
    return _index_add(call, builder)


@mindir_operator("InplaceIndexAddExt", in_place=0, lowest_opset=16)
def index_add_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the first operand."""
    return _index_add(call, builder)


def _index_add(call: MindirCall, builder: Builder) -> TypedValue:
    x, index, updates, alpha = call.tensor(0), call.tensor(2), call.tensor(3), call.constant(4)
    (axis,) = call.axes(1, len(x.shape))
    if alpha != 1:
        updates = builder.unary_of("Mul", [updates, builder.scalar(alpha, updates)])
    index = builder.unsqueeze(builder.cast(index, onnx.TensorProto.INT64), [1])
    order = [axis, *(other for other in range(len(x.shape)) if other != axis)]
    turned = [builder.transpose(value, order) for value in (x, updates)]
    y = builder.add("ScatterND", [turned[0], index, turned[1]], turned[0].type, reduction="add")
    return builder.transpose(y, [order.index(other) for other in range(len(order))])


@mindir_operator("IndexFill")
def index_fill(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace slices along an axis by a number."""
    x, index, number = call.tensor(0), np.ravel(call.constant(2)), call.tensor(3, like=call.tensor(0))
    (axis,) = call.axes(1, len(x.shape))
    check_size(x.shape[axis])
    mask = np.zeros(x.shape[axis], bool)
    mask[index] = True
    mask = mask.reshape([-1] + [1] * (len(x.shape) - 1 - axis))
    return builder.add("Where", [builder.constant(mask, onnx.TensorProto.BOOL), number, x])


def _require_reduction(call: MindirCall, builder: Builder) -> None:
    if builder.opset < 16:
        raise call.unsupported(ADDS_UP)
