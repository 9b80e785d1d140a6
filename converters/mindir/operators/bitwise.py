"""Operations on the bits of whole numbers."""

from __future__ import annotations

import onnx

from converters.mindir.builder import Builder, Value
from converters.mindir.call import Call

from . import mindir_operator
from .arithmetic import read_operands

OPERATIONS = ("And", "Or", "Xor")
PRIMITIVES = [f"Bitwise{name}{kind}" for name in OPERATIONS for kind in ("", "Scalar", "Tensor")]


@mindir_operator(*PRIMITIVES, lowest_opset=18)
def bitwise(call: Call, builder: Builder) -> Value:
    """Combine the bits of two tensors, or of a tensor and a number."""
    name = call.primitive.removesuffix("Scalar").removesuffix("Tensor")
    x, y = read_operands(call, builder, call.type.elem_type)
    is_truth = call.type.elem_type == onnx.TensorProto.BOOL
    return builder.add(name.removeprefix("Bitwise") if is_truth else name, [x, y])


@mindir_operator("BitwiseNot", lowest_opset=18)
def bitwise_not(call: Call, builder: Builder) -> Value:
    """Turn every bit over."""
    x = call.tensor(0)
    return builder.add("Not" if x.type.elem_type == onnx.TensorProto.BOOL else "BitwiseNot", [x])
