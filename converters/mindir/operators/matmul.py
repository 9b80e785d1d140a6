"""Matrix products and biases."""

from __future__ import annotations

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator


@mindir_operator("MatMul")
def matmul(call: Call, builder: Builder) -> Value:
    """Multiply two matrices; Gemm, so that a Dense weight stays (out, in)."""
    x, y = call.tensor(0), call.tensor(1)
    return builder.add("Gemm", [x, y], transA=int(call.constant(2)), transB=int(call.constant(3)))


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
        shape = builder.constant([-1] + [1] * trailing)
        bias = builder.add("Reshape", [bias, shape], bias.type)
    return builder.add("Add", [x, bias])
