"""Functions of one tensor, element by element, that are no activations."""

from __future__ import annotations

import math

import onnx
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

IN_ONNX = {
    "Abs": "Abs",
    "ACos": "Acos",
    "Acosh": "Acosh",
    "AcosExt": "Acos",
    "AcoshExt": "Acosh",
    "Asin": "Asin",
    "AsinExt": "Asin",
    "Asinh": "Asinh",
    "AsinhExt": "Asinh",
    "Atan": "Atan",
    "AtanExt": "Atan",
    "Atanh": "Atanh",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "IsInf": "IsInf",
    "IsNan": "IsNaN",
    "Neg": "Neg",
    "Reciprocal": "Reciprocal",
    "Sign": "Sign",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
}
IN_PLACE = {"InplaceExp": "Exp", "InplaceSign": "Sign"}
PLAIN_LOGARITHM = {"base": (-1.0,), "scale": (1.0,), "shift": (0.0,)}
LOGARITHMS = {"Log": None, "InplaceLog": None, "Log2": 2, "Log10": 10}


@mindir_operator(*IN_ONNX, differs={"Sign": "NaN: 0, and NaN in the file"})
def elementwise(call: MindirCall, builder: Builder) -> TypedValue:
    """Convert what both have, under one spelling or another."""
    return builder.add(IN_ONNX[call.primitive], [call.tensor(0)])


@mindir_operator(*IN_PLACE, in_place=0)
def elementwise_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return builder.add(IN_PLACE[call.primitive], [call.tensor(0)])


@mindir_operator("Square")
def square(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x * x."""
    x = call.tensor(0)
    return builder.add("Mul", [x, x])


@mindir_operator("Rsqrt")
def reciprocal_root(call: MindirCall, builder: Builder) -> TypedValue:
    """Return 1 / sqrt(x)."""
    return builder.add("Reciprocal", [builder.add("Sqrt", [call.tensor(0)])])


@mindir_operator("Erfc")
def error_function_complement(call: MindirCall, builder: Builder) -> TypedValue:
    """Return 1 - erf(x)."""
    x = call.tensor(0)
    return builder.add("Sub", [builder.scalar(1, x), builder.add("Erf", [x])])


@mindir_operator("Log", "Log2", "Log10", takes=PLAIN_LOGARITHM)
def logarithm(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the logarithm to a base."""
    return _logarithm(call, builder)


@mindir_operator("InplaceLog", in_place=0, takes=PLAIN_LOGARITHM)
def logarithm_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return _logarithm(call, builder)


def _logarithm(call: MindirCall, builder: Builder) -> TypedValue:
    call.require("base", call.attribute("base", -1.0))
    call.require("scale", call.attribute("scale", 1.0))
    call.require("shift", call.attribute("shift", 0.0))
    y = _natural_logarithm(builder, call.tensor(0))
    base = LOGARITHMS[call.primitive]
    return y if base is None else builder.add("Div", [y, builder.scalar(math.log(base), y)])


def _natural_logarithm(builder: Builder, x: TypedValue) -> TypedValue:
    """Return log(x); of a sigmoid in a form that holds where ONNX Runtime's Sigmoid is already 0."""
    logits = builder.get_operand(x, "Sigmoid")
    if logits is not None:
        return builder.unary("Neg", builder.unary("Softplus", builder.unary("Neg", logits)))
    return builder.add("Log", [_with_exact_sigmoid(builder, x)])


def _with_exact_sigmoid(builder: Builder, x: TypedValue) -> TypedValue:
    """Return the value, a sigmoid that only constants were added to, or that was clipped, written out.

    ONNX Runtime's Sigmoid is 1.5 times too large at -15 and 0 from -18 on, which a logarithm shows.
    """
    found = builder.get_operands(x, "Add", "Max", "Clip")
    if found is None:
        return x
    op_type, operands = found
    for value in operands:
        logits = builder.get_operand(value, "Sigmoid") if value is not None else None
        if value is None or logits is None or value.shape != x.shape:
            continue
        denominator = builder.unary("Exp", builder.unary("Neg", logits))
        denominator = builder.binary("Add", denominator, builder.scalar(1, logits))
        exact = builder.unary("Reciprocal", denominator)
        others = [exact if other == value else other for other in operands]
        if all(other is exact or (other and builder.get_array(other) is not None) for other in others):
            return builder.add(op_type, others, x.type)
    return x


@mindir_operator("Log1p")
def logarithm_of_one_more(call: MindirCall, builder: Builder) -> TypedValue:
    """Return log(1 + x); for x far below 1 less exact than MindSpore's."""
    x = call.tensor(0)
    return builder.add("Log", [builder.add("Add", [x, builder.scalar(1, x)])])


@mindir_operator("Expm1")
def exponential_minus_one(call: MindirCall, builder: Builder) -> TypedValue:
    """Return exp(x) - 1; for x far below 1 less exact than MindSpore's."""
    x = call.tensor(0)
    return builder.add("Sub", [builder.add("Exp", [x]), builder.scalar(1, x)])


@mindir_operator("Exp2")
def exponential_of_two(call: MindirCall, builder: Builder) -> TypedValue:
    """Return two to the power of x."""
    x = call.tensor(0)
    return builder.add("Pow", [builder.scalar(2, x), x])


@mindir_operator("Round", takes={"decimals": (0,)})
def round_half_to_even(call: MindirCall, builder: Builder) -> TypedValue:
    """Round to whole numbers."""
    call.require("decimals", call.constant(1))
    return builder.add("Round", [call.tensor(0)])


@mindir_operator("Trunc")
def truncate(call: MindirCall, builder: Builder) -> TypedValue:
    """Round towards zero."""
    x = call.tensor(0)
    if helper.tensor_dtype_to_np_dtype(x.type.elem_type).kind in "iu":
        return x
    return builder.add("Mul", [builder.add("Sign", [x]), builder.add("Floor", [builder.add("Abs", [x])])])


@mindir_operator("IsFinite")
def is_finite(call: MindirCall, builder: Builder) -> TypedValue:
    """Return whether an element is neither infinite nor not a number."""
    x = call.tensor(0)
    bad = builder.add("Or", [builder.add("IsNaN", [x]), builder.add("IsInf", [x])])
    return builder.add("Not", [bad])


@mindir_operator("IsNegInf")
def is_negative_infinity(call: MindirCall, builder: Builder) -> TypedValue:
    """Return whether an element is minus infinity."""
    return builder.add("IsInf", [call.tensor(0)], detect_positive=0)


@mindir_operator("Logit")
def logit(call: MindirCall, builder: Builder) -> TypedValue:
    """Return log(x / (1 - x)), x clipped to eps and 1 - eps unless eps is negative."""
    x, eps = call.tensor(0), call.constant(1)
    if eps is not None and eps >= 0:
        x = builder.add("Clip", [x, builder.scalar(eps, x), builder.scalar(1 - eps, x)])
    odds = builder.add("Div", [x, builder.add("Sub", [builder.scalar(1, x), x])])
    return builder.add("Log", [odds])


@mindir_operator("LogicalNot")
def logical_not(call: MindirCall, builder: Builder) -> TypedValue:
    """Negate truth values."""
    x = builder.cast(call.tensor(0), onnx.TensorProto.BOOL)
    return builder.add("Not", [x])


@mindir_operator("Frac")
def fraction(call: MindirCall, builder: Builder) -> TypedValue:
    """Return what a number has behind the point, with its sign."""
    x = call.tensor(0)
    whole = builder.add("Mul", [builder.add("Sign", [x]), builder.add("Floor", [builder.add("Abs", [x])])])
    return builder.add("Sub", [x, whole])


@mindir_operator("Sinc")
def normalized_sinc(call: MindirCall, builder: Builder) -> TypedValue:
    """Return sin(pi x) / (pi x), 1 at 0."""
    x = call.tensor(0)
    angle = builder.add("Mul", [x, builder.scalar(math.pi, x)])
    at_zero = builder.compare("Equal", x, builder.scalar(0, x))
    one = builder.scalar(1, x)
    quotient = builder.add("Div", [builder.add("Sin", [angle]), builder.add("Where", [at_zero, one, angle])])
    return builder.add("Where", [at_zero, one, quotient])
