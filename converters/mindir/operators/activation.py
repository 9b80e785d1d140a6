"""Activations."""

from __future__ import annotations

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator

SAME_IN_ONNX = {"ReLU": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh"}


@mindir_operator(*SAME_IN_ONNX)
def elementwise(call: Call, builder: Builder) -> Value:
    """Convert what both have under another spelling."""
    return builder.add(SAME_IN_ONNX[call.primitive], [call.tensor(0)])


@mindir_operator("ReLU6")
def relu6(call: Call, builder: Builder) -> Value:
    """Clip to 0..6."""
    x = call.tensor(0)
    return builder.add("Clip", [x, builder.scalar(0, x), builder.scalar(6, x)])


@mindir_operator("SiLU")
def silu(call: Call, builder: Builder) -> Value:
    """Multiply by the sigmoid."""
    x = call.tensor(0)
    return builder.add("Mul", [x, builder.add("Sigmoid", [x])])


@mindir_operator("HSigmoid")
def hard_sigmoid(call: Call, builder: Builder) -> Value:
    """Return clip(x / 6 + 0.5, 0, 1)."""
    return builder.add("HardSigmoid", [call.tensor(0)], alpha=1 / 6, beta=0.5)


@mindir_operator("HSwish")
def hard_swish(call: Call, builder: Builder) -> Value:
    """Return x * clip(x / 6 + 0.5, 0, 1); ONNX has an operator for it from opset 14 on."""
    x = call.tensor(0)
    if builder.opset >= 14:
        return builder.add("HardSwish", [x])
    return builder.add("Mul", [x, builder.add("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])


@mindir_operator("Softmax")
def softmax(call: Call, builder: Builder) -> Value:
    """Softmax over one axis, given as a number or a tuple of one."""
    axis = call.constant(1)
    if isinstance(axis, tuple):
        if len(axis) != 1:
            raise call.unsupported(f"it runs over the axes {axis}; ONNX takes one")
        (axis,) = axis
    return builder.add("Softmax", [call.tensor(0)], axis=axis)
