"""Matrix products and biases."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value
from converters.mindir.reader import TensorType

from . import mindir_operator


@mindir_operator("MatMul")
def matmul(call: Call, builder: Builder) -> Value:
    """Multiply two matrices; Gemm, so that a Dense weight stays (out, in)."""
    x, y = call.tensor(0), call.tensor(1)
    return builder.add("Gemm", [x, y], transA=int(call.constant(2)), transB=int(call.constant(3)))


@mindir_operator("BatchMatMul")
def batch_matmul(call: Call, builder: Builder) -> Value:
    """Multiply the last two axes of two tensors, each transposed if asked for."""
    x, y = call.tensor(0), call.tensor(1)
    x = _transpose(builder, x) if call.constant(2) else x
    y = _transpose(builder, y) if call.constant(3) else y
    return builder.add("MatMul", [x, y])


@mindir_operator("MatMulExt")
def matmul_ext(call: Call, builder: Builder) -> Value:
    """Multiply with NumPy's broadcasting, which is ONNX's."""
    return builder.add("MatMul", [call.tensor(0), call.tensor(1)])


@mindir_operator("Dense")
def dense(call: Call, builder: Builder) -> Value:
    """Multiply by an (out, in) weight and add a bias, which may be None."""
    x, weight = call.tensor(0), call.tensor(1)
    bias = None if call.entry(2) is None else call.tensor(2)
    if len(x.shape) == 2:
        return builder.add("Gemm", [x, weight] + ([bias] if bias else []), transB=1)
    y = builder.add("MatMul", [x, _transpose(builder, weight)])
    return builder.add("Add", [y, bias]) if bias else y


def _transpose(builder: Builder, x: Value) -> Value:
    """Swap the last two axes."""
    rank = len(x.shape)
    order = [*range(rank - 2), rank - 1, rank - 2]
    type_ = TensorType(x.type.elem_type, tuple(x.shape[axis] for axis in order))
    return builder.add("Transpose", [x], type_, perm=order)


@mindir_operator("BiasAdd")
def bias_add(call: Call, builder: Builder) -> Value:
    """Add a bias to axis 1, inside the convolution or Gemm before it where there is one."""
    x, bias = call.tensor(0), call.tensor(1)
    call.require("format", call.constant(2), 0, "NCHW")
    inside = builder.add_with_bias(x, bias)
    if inside is not None:
        return inside
    trailing = len(x.shape) - 2
    if trailing:
        type_ = TensorType(bias.type.elem_type, (*bias.shape, *[1] * trailing))
        axes = builder.constant(list(range(1, 1 + trailing)))
        bias = builder.add("Unsqueeze", [bias, axes], type_)
    return builder.add("Add", [x, bias])
