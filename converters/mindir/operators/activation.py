"""Activations and other functions of one tensor, element by element."""

from __future__ import annotations

from converters.mindir.builder import Builder, Call, Value

from . import mindir_operator

IN_ONNX = {
    "Abs": "Abs",
    "Cos": "Cos",
    "Erf": "Erf",
    "Exp": "Exp",
    "Neg": "Neg",
    "ReLU": "Relu",
    "Reciprocal": "Reciprocal",
    "Sigmoid": "Sigmoid",
    "Sin": "Sin",
    "Sqrt": "Sqrt",
    "Tanh": "Tanh",
}


@mindir_operator(*IN_ONNX)
def elementwise(call: Call, builder: Builder) -> Value:
    """Convert what both have, under one spelling or another."""
    return builder.add(IN_ONNX[call.primitive], [call.tensor(0)])


@mindir_operator("Square")
def square(call: Call, builder: Builder) -> Value:
    """Return x * x."""
    x = call.tensor(0)
    return builder.add("Mul", [x, x])


@mindir_operator("Rsqrt")
def reciprocal_root(call: Call, builder: Builder) -> Value:
    """Return 1 / sqrt(x)."""
    return builder.add("Reciprocal", [builder.add("Sqrt", [call.tensor(0)])])


@mindir_operator("ReLU6")
def relu6(call: Call, builder: Builder) -> Value:
    """Clip to 0..6."""
    x = call.tensor(0)
    return builder.add("Clip", [x, builder.scalar(0, x), builder.scalar(6, x)])


@mindir_operator("ClampScalar")
def clamp(call: Call, builder: Builder) -> Value:
    """Clip to two numbers, either of which may be None."""
    x = call.tensor(0)
    bounds = [call.constant(1), call.constant(2)]
    return builder.add(
        "Clip", [x, *(None if bound is None else builder.scalar(bound, x) for bound in bounds)]
    )


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
