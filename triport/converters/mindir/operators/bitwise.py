"""Operations on the bits of whole numbers, and on truth values, which MindSpore writes alike."""

from __future__ import annotations

import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue

from . import mindir_operator
from .arithmetic import read_operands

BITS = "of whole numbers other than 0 and 1 it needs opset 18 or later"
ALL_BITS = "of whole numbers it needs opset 18 or later"
OPERATIONS = ("And", "Or", "Xor")
PRIMITIVES = [f"Bitwise{name}{kind}" for name in OPERATIONS for kind in ("", "Scalar", "Tensor")]


@mindir_operator(*PRIMITIVES, refuses=(BITS,))
def bitwise(call: MindirCall, builder: Builder) -> TypedValue:
    """Combine the bits of two tensors, or of a tensor and a number, or two truth values."""
    name = call.primitive.removesuffix("Scalar").removesuffix("Tensor")
    operands = read_operands(call, builder, call.type.elem_type)
    if call.type.elem_type == onnx.TensorProto.BOOL:
        return builder.add(name.removeprefix("Bitwise"), operands)
    if builder.opset >= 18:
        return builder.add(name, operands)
    truths = [_find_truth(builder, operand) for operand in operands]
    if not all(truths):
        raise call.unsupported(BITS)
    type_ = TensorType(onnx.TensorProto.BOOL, call.type.shape)
    return builder.cast(builder.add(name.removeprefix("Bitwise"), truths, type_), call.type.elem_type)


def _find_truth(builder: Builder, x: TypedValue) -> TypedValue | None:
    """Return the truth values that whole numbers were made of, None unless they are known to be 0 and 1."""
    array = builder.get_array(x)
    if array is not None:
        is_truth = bool(((array == 0) | (array == 1)).all())
        return builder.constant(array != 0, onnx.TensorProto.BOOL) if is_truth else None
    source = builder.get_operand(x, "Cast")
    if source is None:
        return None
    return source if source.type.elem_type == onnx.TensorProto.BOOL else _find_truth(builder, source)


@mindir_operator("BitwiseNot", refuses=(ALL_BITS,))
def bitwise_not(call: MindirCall, builder: Builder) -> TypedValue:
    """Turn every bit over, or a truth value."""
    x = call.tensor(0)
    if x.type.elem_type == onnx.TensorProto.BOOL:
        return builder.add("Not", [x])
    if builder.opset < 18:
        raise call.unsupported(ALL_BITS)
    return builder.add("BitwiseNot", [x])
