"""Running totals, products, maxima and minima."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator


@mindir_operator("CumSum")
def cumulative_sum(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up along an axis."""
    exclusive, reverse = int(call.constant(2)), int(call.constant(3))
    axis = builder.constant(call.constant(1))
    return builder.add("CumSum", [call.tensor(0), axis], exclusive=exclusive, reverse=reverse)


@mindir_operator("CumsumExt")
def cumulative_sum_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up along an axis, as `mint` does."""
    call.constant(2)  # the result's type is known
    x = builder.cast(call.tensor(0), call.type.elem_type)
    return builder.add("CumSum", [x, builder.constant(call.constant(1))])


@mindir_operator("CumProd")
def cumulative_product(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply along an axis."""
    x = builder.cast(call.tensor(0), call.type.elem_type)
    (axis,) = call.axes(1, len(x.shape))
    exclusive, reverse = call.constant(2), call.constant(3)
    backwards = range(x.shape[axis])[::-1]
    if reverse:
        x = builder.pick(x, axis, backwards)
    if exclusive:
        x = _shifted(builder, x, axis, 1, 1)
    x = _scanned(builder, "Mul", x, axis, 1)
    return builder.pick(x, axis, backwards) if reverse else x


@mindir_operator("Cummax", "Cummin", "CumminExt")
def cumulative_extreme(call: MindirCall, builder: Builder) -> tuple[TypedValue, TypedValue]:
    """Return the largest or smallest element so far along an axis, and where it is: the last of equals."""
    x = call.tensor(0)
    (axis,) = call.axes(1, len(x.shape))
    is_max = call.primitive == "Cummax"
    dtype = helper.tensor_dtype_to_np_dtype(x.type.elem_type)
    if dtype.kind == "f":
        neutral = -math.inf if is_max else math.inf
    else:
        limits = np.iinfo(dtype)
        neutral = limits.min if is_max else limits.max
    values = _scanned(builder, "Max" if is_max else "Min", x, axis, neutral)
    # an element that is the extreme so far marks its place; the last mark is where the extreme is
    places = np.arange(x.shape[axis]).reshape([-1] + [1] * (len(x.shape) - 1 - axis))
    place = builder.constant(places, onnx.TensorProto.FLOAT)
    is_extreme = builder.compare("Equal", x, values)
    if dtype.kind == "f":  # from NaN on, the extreme is NaN
        is_number = builder.compare("Equal", x, x)
        is_extreme = builder.binary("Or", is_extreme, builder.unary("Not", is_number))
    type_ = TensorType(onnx.TensorProto.FLOAT, x.shape)
    marks = builder.add("Where", [is_extreme, place, builder.scalar(-1, place)], type_)
    return values, builder.cast(_scanned(builder, "Max", marks, axis, -1), call.types[1].elem_type)


def _scanned(builder: Builder, op_type: str, x: TypedValue, axis: int, neutral: float) -> TypedValue:
    """Combine each element with all before it: with what lies 1, then 2, 4, 8 ... places before."""
    size = x.shape[axis]
    if axis == 0 and builder.get_batch_size() is not None:
        x = builder.pick(x, axis, range(size))  # the number of steps holds for the traced size alone
    shift = 1
    while shift < size:
        x = builder.add(op_type, [x, _shifted(builder, x, axis, shift, neutral)], x.type)
        shift *= 2
    return x


def _shifted(builder: Builder, x: TypedValue, axis: int, shift: int, neutral: float) -> TypedValue:
    """Move elements to the end of an axis; what leaves there is lost, what enters is neutral."""
    pads = [0] * (2 * len(x.shape))
    pads[axis], pads[axis + len(x.shape)] = shift, -shift
    return builder.add("Pad", [x, builder.constant(pads), builder.scalar(neutral, x)], x.type)
