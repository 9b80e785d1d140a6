"""Arithmetic of two operands, and its in-place forms."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value

from . import mindir_operator

IN_ONNX = {
    "Add": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "Pow": "Pow",
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
IN_PLACE = [name for name in (*IN_ONNX, *SCALED) if name.startswith("Inplace")]


def _read_operands(call: Call) -> tuple[Value, Value]:
    """Return both operands; a plain number takes the other's element type."""
    if isinstance(call.entry(0), int | float):
        y = call.tensor(1)
        return call.tensor(0, like=y), y
    x = call.tensor(0)
    y = call.tensor(1, like=x)
    if x.type.elem_type != y.type.elem_type:
        raise call.unsupported("the operands are of different types")
    return x, y


def _calculate(call: Call, builder: Builder) -> Value:
    x, y = _read_operands(call)
    if x.type.elem_type != call.type.elem_type:
        raise call.unsupported("the result is of another type than the operands")
    if call.primitive in IN_ONNX:
        return builder.add(IN_ONNX[call.primitive], [x, y])
    alpha = call.constant(2)
    if alpha != 1:
        y = builder.add("Mul", [y, builder.scalar(alpha, y)], y.type)
    return builder.add(SCALED[call.primitive], [x, y])


@mindir_operator(*(name for name in (*IN_ONNX, *SCALED) if name not in IN_PLACE))
def calculate(call: Call, builder: Builder) -> Value:
    """Add, subtract, multiply or divide, with broadcasting."""
    return _calculate(call, builder)


@mindir_operator(*IN_PLACE, in_place=0)
def calculate_in_place(call: Call, builder: Builder) -> Value:
    """Do the same; the result also replaces the first operand."""
    return _calculate(call, builder)
