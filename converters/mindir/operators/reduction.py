"""Reductions over axes."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value
from converters.mindir.reader import TensorType

from . import mindir_operator

# the opset from which the axes are an input
AXES_INPUT = {"ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceMin": 18, "ReduceProd": 18}


@mindir_operator("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")
def reduce(call: Call, builder: Builder) -> Value:
    """Reduce over the axes; none means all."""
    return _reduce(call, builder, call.primitive)


@mindir_operator("ReduceSum")
def reduce_sum(call: Call, builder: Builder) -> Value:
    """Add up over the axes; with skip_mode, none means none."""
    if call.constant(3) and not call.constant(1):
        call.constant(2)
        return call.tensor(0)
    return _reduce(call, builder, "ReduceSum")


@mindir_operator("MeanExt", "SumExt")
def reduce_ext(call: Call, builder: Builder) -> Value:
    """Average or add up in the element type of the result."""
    call.constant(3)  # the result's type is known
    return _reduce(call, builder, {"MeanExt": "ReduceMean", "SumExt": "ReduceSum"}[call.primitive])


def _reduce(call: Call, builder: Builder, op_type: str) -> Value:
    x, keep_dims, elem_type = call.tensor(0), int(call.constant(2)), call.type.elem_type
    if x.type.elem_type != elem_type:
        x = builder.add("Cast", [x], TensorType(elem_type, x.shape), to=elem_type)
    axes = call.axes(1, len(x.shape)) or list(range(len(x.shape)))
    if builder.opset >= AXES_INPUT[op_type]:
        return builder.add(op_type, [x, builder.constant(axes)], keepdims=keep_dims)
    return builder.add(op_type, [x], axes=axes, keepdims=keep_dims)
