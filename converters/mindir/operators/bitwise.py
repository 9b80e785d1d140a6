"""Operations on the bits of whole numbers, and on truth values, which MindSpore writes alike."""

from __future__ import annotations

import onnx

from converters.mindir.builder import Builder, Value
from converters.mindir.call import Call

from . import mindir_operator
from .arithmetic import read_operands

OPERATIONS = ("And", "Or", "Xor")
PRIMITIVES = [f"Bitwise{name}{kind}" for name in OPERATIONS for kind in ("", "Scalar", "Tensor")]


@mindir_operator(*PRIMITIVES)
def bitwise(call: Call, builder: Builder) -> Value:
    """Combine the bits of two tensors, or of a tensor and a number, or two truth values."""
    name = call.primitive.removesuffix("Scalar").removesuffix("Tensor")
    operands = read_operands(call, builder, call.type.elem_type)
    if call.type.elem_type == onnx.TensorProto.BOOL:
        return builder.add(name.removeprefix("Bitwise"), operands)
    if builder.opset < 18:
        raise call.unsupported("of whole numbers it needs opset 18 or later")
    return builder.add(name, operands)


@mindir_operator("BitwiseNot")
def bitwise_not(call: Call, builder: Builder) -> Value:
    """Turn every bit over, or a truth value."""
    x = call.tensor(0)
    if x.type.elem_type == onnx.TensorProto.BOOL:
        return builder.add("Not", [x])
    if builder.opset < 18:
        raise call.unsupported("of whole numbers it needs opset 18 or later")
    return builder.add("BitwiseNot", [x])
