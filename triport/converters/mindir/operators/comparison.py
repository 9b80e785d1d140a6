"""Comparisons, logic, and choosing by truth values."""

from __future__ import annotations

import math

import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator
from .arithmetic import is_float, read_operands

COMPARISONS = {
    "Equal": "Equal",
    "EqScalar": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "GreaterEqualScalar": "GreaterOrEqual",
    "Less": "Less",
    "LessScalar": "Less",
    "LessEqual": "LessOrEqual",
}
LOGIC = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}


@mindir_operator(*COMPARISONS)
def compare(call: MindirCall, builder: Builder) -> TypedValue:
    """Compare two tensors, or a tensor and a number."""
    return builder.compare(COMPARISONS[call.primitive], *read_operands(call, builder))


@mindir_operator("NotEqual")
def not_equal(call: MindirCall, builder: Builder) -> TypedValue:
    """Return where two tensors, or a tensor and a number, differ."""
    return builder.unary("Not", builder.compare("Equal", *read_operands(call, builder)))


@mindir_operator(*LOGIC)
def logic(call: MindirCall, builder: Builder) -> TypedValue:
    """Combine two tensors of truth values."""
    operands = [builder.cast(call.tensor(index), onnx.TensorProto.BOOL) for index in range(2)]
    return builder.add(LOGIC[call.primitive], operands)


@mindir_operator("Select")
def select(call: MindirCall, builder: Builder) -> TypedValue:
    """Take elements of the first tensor where the condition holds, else of the second."""
    condition = builder.cast(call.tensor(0), onnx.TensorProto.BOOL)
    return _where(call, builder, condition, 1, 2)


@mindir_operator("MaskedFill", "MaskedFillScalar")
def masked_fill(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace what the mask marks by a number."""
    return _where(call, builder, builder.cast(call.tensor(1), onnx.TensorProto.BOOL), 2, 0)


@mindir_operator("InplaceMaskedFillScalar", "InplaceMaskedFillTensor", in_place=0)
def masked_fill_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the first operand."""
    return _where(call, builder, builder.cast(call.tensor(1), onnx.TensorProto.BOOL), 2, 0)


def _where(call: MindirCall, builder: Builder, condition: TypedValue, true: int, false: int) -> TypedValue:
    elem_type = call.type.elem_type
    values = [condition]
    for index in (true, false):
        entry = call.entry(index)
        if isinstance(entry, int | float):
            values.append(builder.constant(entry, elem_type))
        else:
            values.append(builder.cast(call.tensor(index), elem_type))
    return builder.add("Where", builder.shrink_uniform(values, call.type.shape))


@mindir_operator("IsClose")
def is_close(call: MindirCall, builder: Builder) -> TypedValue:
    """Return where |x - y| is at most atol + rtol * |y|."""
    x, y = read_operands(call, builder)
    relative, absolute = call.constant(2), call.constant(3)
    bound = builder.binary("Mul", builder.unary("Abs", y), builder.scalar(relative, y))
    bound = builder.binary("Add", bound, builder.scalar(absolute, y))
    is_near = builder.compare("LessOrEqual", builder.unary("Abs", builder.binary("Sub", x, y)), bound)
    # the difference of two equal infinities is not a number, and that of others never near
    finite = builder.compare("Less", builder.unary("Abs", y), builder.scalar(math.inf, y))
    is_near = builder.binary("And", is_near, finite)
    is_near = builder.binary("Or", is_near, builder.compare("Equal", x, y))
    if not call.constant(4) or not is_float(x):
        return is_near
    x_is_nan, y_is_nan = (builder.unary("Not", builder.compare("Equal", one, one)) for one in (x, y))
    return builder.binary("Or", is_near, builder.binary("And", x_is_nan, y_is_nan))
