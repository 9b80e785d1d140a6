"""Arithmetic of two operands, and its in-place forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

IN_ONNX = {
    "Add": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "RealDiv": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Pow": "Pow",
    "PowTensorScalar": "Pow",
    "PowScalarTensor": "Pow",
    "Muls": "Mul",
    "Divs": "Div",
    "InplaceMul": "Mul",
    "InplaceMuls": "Mul",
    "InplaceDiv": "Div",
    "InplaceDivs": "Div",
}
# x (+ or -) alpha * y
SCALED = {
    "AddExt": "Add",
    "AddScalar": "Add",
    "SubExt": "Sub",
    "SubScalar": "Sub",
    "InplaceAddExt": "Add",
    "InplaceAddsExt": "Add",
    "InplaceSubExt": "Sub",
    "InplaceSubScalar": "Sub",
}
FLOOR_DIVISIONS = (
    "FloorDiv",
    "FloorDivScalar",
    "InplaceFloorDivide",
    "InplaceFloorDivides",
)
FLOOR_REMAINDERS = (
    "FloorMod",
    "RemainderTensorTensor",
    "RemainderTensorScalar",
    "RemainderScalarTensor",
    "InplaceRemainderTensorScalar",
)
PRIMITIVES = (*IN_ONNX, *SCALED, *FLOOR_DIVISIONS, *FLOOR_REMAINDERS)
IN_PLACE = [name for name in PRIMITIVES if name.startswith("Inplace")]
NAN_BEFORE = "NaN and a number: the number if it comes second, and NaN in the file"
BY_ZERO = "NaN by 0: -inf, and NaN in the file; numbers by -0: an infinity of the other sign"
LARGE_WHOLE = "whole numbers beyond 2**24: rounded to float32, and not in the file"
INT64 = "int64 beyond 2**53: divided by way of float64, and not in the file"
DIFFERS = {
    "Maximum": NAN_BEFORE,
    "Minimum": NAN_BEFORE,
    "Pow": "whole numbers that overflow: the least one, and wrapped around in the file",
    **dict.fromkeys(("Div", "RealDiv", "Divs", "InplaceDiv", "InplaceDivs"), BY_ZERO),
    **dict.fromkeys(FLOOR_DIVISIONS, f"{BY_ZERO}; {INT64}"),
    **dict.fromkeys(FLOOR_REMAINDERS, INT64),
}
DIFFERS["PowTensorScalar"] = DIFFERS["Pow"]


def read_operands(
    call: MindirCall, builder: Builder, elem_type: int | None = None
) -> tuple[TypedValue, TypedValue]:
    """Return both operands in one element type: the given one, or the wider of theirs.

    A plain number takes the other's.
    """
    entries = [call.entry(0), call.entry(1)]
    if any(isinstance(entry, int | float) for entry in entries):
        is_number = isinstance(entries[0], int | float)
        tensor, number = call.tensor(int(is_number)), entries[not is_number]
        elem_type = elem_type or tensor.type.elem_type
        tensor = builder.cast(tensor, elem_type)
        scalar = builder.constant(number, elem_type)
        return (scalar, tensor) if is_number else (tensor, scalar)
    x, y = call.tensor(0), call.tensor(1)
    if elem_type is None and x.type.elem_type != y.type.elem_type:
        dtypes = (helper.tensor_dtype_to_np_dtype(value.type.elem_type) for value in (x, y))
        elem_type = helper.np_dtype_to_tensor_dtype(np.result_type(*dtypes))
    elem_type = elem_type or x.type.elem_type
    x, y = builder.cast(x, elem_type), builder.cast(y, elem_type)
    shape = tuple(int(size) for size in np.broadcast_shapes(x.shape, y.shape))
    x, y = builder.shrink_uniform([x, y], shape)
    return x, y


def _calculate(call: MindirCall, builder: Builder) -> TypedValue:
    x, y = read_operands(call, builder, call.type.elem_type)
    if call.primitive in IN_ONNX:
        return builder.add(IN_ONNX[call.primitive], [x, y])
    if call.primitive in FLOOR_DIVISIONS:
        return _floor_divide(builder, x, y)
    if call.primitive in FLOOR_REMAINDERS:
        return _floor_remainder(builder, x, y)
    alpha = call.constant(2)
    if alpha != 1:
        y = builder.add("Mul", [y, builder.scalar(alpha, y)], y.type)
    return builder.add(SCALED[call.primitive], [x, y])


@mindir_operator(*(name for name in PRIMITIVES if name not in IN_PLACE), differs=DIFFERS)
def calculate(call: MindirCall, builder: Builder) -> TypedValue:
    """Add, subtract, multiply or divide, with broadcasting."""
    return _calculate(call, builder)


@mindir_operator(*IN_PLACE, in_place=0, differs=DIFFERS)
def calculate_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the first operand."""
    return _calculate(call, builder)


def is_float(value: TypedValue) -> bool:
    """Return whether a value is of floating-point numbers, or of truth values."""
    return helper.tensor_dtype_to_np_dtype(value.type.elem_type).kind not in "iu"


def _floor_divide(builder: Builder, x: TypedValue, y: TypedValue) -> TypedValue:
    if is_float(x):
        whole, _ = _floor_quotient(builder, x, y)
        return builder.cast(whole, x.type.elem_type)
    # ONNX Runtime rounds towards zero; to take the remainder off first would overflow at the lowest number
    remainder = builder.binary("Mod", x, y)  # of the divisor's sign
    is_exact = builder.compare("Equal", remainder, builder.scalar(0, x))
    is_below = builder.compare(
        "Less", builder.binary("Mul", _sign(builder, x), _sign(builder, y)), builder.scalar(0, x)
    )
    is_rounded_up = builder.binary("And", is_below, builder.unary("Not", is_exact))
    one_less = builder.cast(is_rounded_up, x.type.elem_type)
    return builder.binary("Sub", builder.binary("Div", x, y), one_less)


def _sign(builder: Builder, x: TypedValue) -> TypedValue:
    return builder.unary("Sign", x)


def _floor_remainder(builder: Builder, x: TypedValue, y: TypedValue) -> TypedValue:
    if not is_float(x):
        return builder.add("Mod", [x, y])
    whole, (wide_x, wide_y) = _floor_quotient(builder, x, y)
    rest = builder.binary("Sub", wide_x, builder.binary("Mul", whole, wide_y))
    return builder.cast(rest, x.type.elem_type)


def _floor_quotient(
    builder: Builder, x: TypedValue, y: TypedValue
) -> tuple[TypedValue, tuple[TypedValue, TypedValue]]:
    """Return the quotient rounded down, and both operands, in float64.

    As MindSpore does: in float32, 3 / 0.3 rounds up to 10, and the exact quotient is below it.
    """
    wide = builder.cast(x, onnx.TensorProto.DOUBLE), builder.cast(y, onnx.TensorProto.DOUBLE)
    return builder.unary("Floor", builder.binary("Div", *wide)), wide


@mindir_operator(
    "FmodTensor",
    "FmodScalar",
    "Mod",
    differs={
        "FmodTensor": LARGE_WHOLE,
        "FmodScalar": LARGE_WHOLE,
        "Mod": "divisors 0 and inf: 0 and NaN, and NaN and x in the file; quotients beyond 2**24: rounded; "
        f"{INT64}",
    },
)
def remainder(call: MindirCall, builder: Builder) -> TypedValue:
    """Return what is left of a division that rounds towards zero."""
    return builder.add("Mod", [*read_operands(call, builder, call.type.elem_type)], fmod=1)


@mindir_operator(
    "DivMod",
    "DivMods",
    takes={"rounding_mode": (1, 2, "floor", "trunc")},
    differs=f"{BY_ZERO}; {LARGE_WHOLE}",
)
def divide_and_round(call: MindirCall, builder: Builder) -> TypedValue:
    """Divide and round: not at all, down, or towards zero."""
    x, y = read_operands(call, builder, call.type.elem_type)
    rounding: Any = call.constant(2)
    if rounding in (None, 0):
        return builder.add("Div", [x, y])
    call.require("rounding_mode", rounding)
    if rounding in (2, "floor"):
        return _floor_divide(builder, x, y)
    y = builder.add("Div", [x, y])
    if not is_float(x):
        return y
    return builder.add("Mul", [builder.add("Sign", [y]), builder.add("Floor", [builder.add("Abs", [y])])])


@mindir_operator("DivNoNan")
def divide_without_nan(call: MindirCall, builder: Builder) -> TypedValue:
    """Divide, and return zero where the divisor is zero."""
    x, y = read_operands(call, builder, call.type.elem_type)
    zero = builder.scalar(0, y)
    return builder.add("Where", [builder.compare("Equal", y, zero), zero, builder.add("Div", [x, y])])


@mindir_operator("AddN")
def add_up(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up any number of tensors."""
    total, *others = call.tensors(0)
    call.ignore("n", "N", "num", why="the number of tensors")
    for value in others:
        total = builder.add("Add", [total, value])
    return total


@mindir_operator("Lerp")
def interpolate(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x + weight * (y - x)."""
    x, y = call.tensor(0), call.tensor(1)
    way = builder.binary("Sub", y, x)
    return builder.add("Add", [x, builder.add("Mul", [way, call.tensor(2, like=x)])])


@mindir_operator(
    "Addcmul",
    "AddcmulExt",
    "Addcdiv",
    "AddcdivExt",
    differs={"Addcdiv": BY_ZERO},
)
def add_scaled_product(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x + value * a * b, or x + value * a / b."""
    x, a, b = (call.tensor(index) for index in range(3))
    op_type = "Mul" if call.primitive.startswith("Addcmul") else "Div"
    y = builder.binary(op_type, a, b)
    value = builder.cast(call.tensor(3, like=x), x.type.elem_type)
    return builder.add("Add", [x, builder.binary("Mul", y, value)])


@mindir_operator("InplaceCopy", in_place=0)
def copy_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Overwrite a tensor with another one."""
    call.entry(0)
    for index in range(2, call.num_inputs):
        call.constant(index)  # non_blocking
    y = builder.cast(call.tensor(1), call.type.elem_type)
    if y.shape == call.type.shape:
        return y
    return builder.add("Expand", [y, builder.constant(call.type.shape)])


@mindir_operator(
    "Xlogy",
    "XLogYScalarOther",
    "XLogYScalarSelf",
    differs="0 and no positive finite y: NaN, and 0 in the file, as MindSpore's documentation says",
)
def multiply_by_logarithm(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x * log(y), and zero where x is zero."""
    x, y = read_operands(call, builder, call.type.elem_type)
    zero = builder.scalar(0, x)
    product = builder.add("Mul", [x, builder.unary("Log", y)])
    return builder.add("Where", [builder.compare("Equal", x, zero), zero, product])


@mindir_operator("LogAddExp")
def logarithm_of_sum(call: MindirCall, builder: Builder) -> TypedValue:
    """Return log(exp(x) + exp(y)), without overflow."""
    x, y = read_operands(call, builder, call.type.elem_type)
    distance = builder.add("Neg", [builder.add("Abs", [builder.add("Sub", [x, y])])])
    terms = builder.add("Add", [builder.add("Exp", [distance]), builder.scalar(1, x)])
    return builder.add("Add", [builder.add("Max", [x, y]), builder.add("Log", [terms])])


@mindir_operator("LogAddExp2")
def logarithm_of_sum_of_twos(call: MindirCall, builder: Builder) -> TypedValue:
    """Return log2(2 ** x + 2 ** y), without overflow."""
    x, y = read_operands(call, builder, call.type.elem_type)
    distance = builder.add("Neg", [builder.add("Abs", [builder.add("Sub", [x, y])])])
    terms = builder.add("Add", [builder.add("Pow", [builder.scalar(2, x), distance]), builder.scalar(1, x)])
    excess = builder.add("Div", [builder.add("Log", [terms]), builder.scalar(math.log(2), x)])
    return builder.add("Add", [builder.add("Max", [x, y]), excess])


@mindir_operator("Atan2", "Atan2Ext", differs="two infinities: an angle, and NaN in the file")
def angle_of_point(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the angle of the point (x, y), between -pi and pi; the sign of a zero does not count."""
    y, x = read_operands(call, builder, call.type.elem_type)
    zero, pi, half = (builder.scalar(number, x) for number in (0, math.pi, math.pi / 2))
    angle = builder.add("Atan", [builder.add("Div", [y, x])])
    below = builder.compare("Less", y, zero)
    turned = builder.add("Where", [below, builder.add("Sub", [angle, pi]), builder.add("Add", [angle, pi])])
    angle = builder.add("Where", [builder.compare("Less", x, zero), turned, angle])
    upright = builder.add("Mul", [builder.add("Sign", [y], y.type), half], y.type)
    return builder.add("Where", [builder.compare("Equal", x, zero), upright, angle])


@mindir_operator("NanToNum")
def nan_to_number(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace what is not a number, and infinities."""
    x = call.tensor(0)
    dtype = helper.tensor_dtype_to_np_dtype(x.type.elem_type)
    nan, high, low = (call.constant(index) for index in range(1, 4))
    limits = np.finfo(dtype)
    high, low = (limits.max if high is None else high), (limits.min if low is None else low)
    x = builder.add("Where", [builder.add("IsNaN", [x], _boolean(x)), builder.scalar(nan or 0, x), x])
    for positive, number in ((1, high), (0, low)):
        at = builder.add("IsInf", [x], _boolean(x), detect_positive=positive, detect_negative=1 - positive)
        x = builder.add("Where", [at, builder.scalar(float(number), x), x])
    return x


def _boolean(x: TypedValue) -> TensorType:
    return TensorType(onnx.TensorProto.BOOL, x.shape)
