"""Activations."""

from __future__ import annotations

import math
from typing import Any

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

LOW_THRESHOLD = "threshold is {threshold}: below 15 it would change the result"
MANY_AXES = "it runs over the axes {axes}; ONNX takes one"

NAN_CLIPPED = "NaN: a bound, and NaN in the file"
NAN_ZERO = "NaN: 0, and NaN in the file"
SOFTPLUS_OF_NAN = "NaN: inf, and NaN in the file"
NO_NUMBERS = (
    "a row with NaN or inf: numbers, and NaN in the file; from a row of -inf alone on: whatever lay in memory"
)
IN_ONNX = {
    "ReLU": "Relu",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Tanh": "Tanh",
}
IN_PLACE = {"InplaceReLU": "Relu", "InplaceSigmoid": "Sigmoid", "InplaceTanh": "Tanh"}


@mindir_operator(*IN_ONNX, differs={"ReLU": NAN_ZERO, "Softplus": SOFTPLUS_OF_NAN})
def activation(call: MindirCall, builder: Builder) -> TypedValue:
    """Convert what both have, under one spelling or another."""
    return builder.add(IN_ONNX[call.primitive], [call.tensor(0)])


@mindir_operator(*IN_PLACE, in_place=0)
def activation_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return builder.add(IN_PLACE[call.primitive], [call.tensor(0)])


@mindir_operator("ReLU6", differs=NAN_ZERO)
def relu6(call: MindirCall, builder: Builder) -> TypedValue:
    """Clip to 0..6."""
    return _clip(builder, call.tensor(0), 0, 6)


@mindir_operator("ClampScalar", "Hardtanh", differs=NAN_CLIPPED)
def clamp(call: MindirCall, builder: Builder) -> TypedValue:
    """Clip to two numbers, either of which may be None."""
    return _clip(builder, call.tensor(0), call.constant(1), call.constant(2))


@mindir_operator("InplaceClampScalar", "InplaceHardtanh", in_place=0)
def clamp_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return _clip(builder, call.tensor(0), call.constant(1), call.constant(2))


@mindir_operator("ClampTensor", differs=NAN_CLIPPED)
def clamp_by_tensors(call: MindirCall, builder: Builder) -> TypedValue:
    """Clip to two tensors, either of which may be None."""
    x = call.tensor(0)
    if call.entry(1) is not None:
        x = builder.add("Max", [x, builder.cast(call.tensor(1), x.type.elem_type)])
    if call.entry(2) is not None:
        x = builder.add("Min", [x, builder.cast(call.tensor(2), x.type.elem_type)])
    return x


def _clip(builder: Builder, x: TypedValue, low: float | None, high: float | None) -> TypedValue:
    if low is not None and high is not None:
        return builder.add("Clip", [x, builder.scalar(low, x), builder.scalar(high, x)])
    # without a bound, Clip has the largest number for one, and makes it of inf
    if low is not None:
        x = builder.add("Max", [x, builder.scalar(low, x)])
    return x if high is None else builder.add("Min", [x, builder.scalar(high, x)])


@mindir_operator("SiLU")
def silu(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply by the sigmoid."""
    return _silu(call, builder)


@mindir_operator("InplaceSiLU", in_place=0)
def silu_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return _silu(call, builder)


def _silu(call: MindirCall, builder: Builder) -> TypedValue:
    x = call.tensor(0)
    return builder.add("Mul", [x, builder.add("Sigmoid", [x])])


@mindir_operator("HSigmoid")
def hard_sigmoid(call: MindirCall, builder: Builder) -> TypedValue:
    """Return clip(x / 6 + 0.5, 0, 1)."""
    return builder.add("HardSigmoid", [call.tensor(0)], alpha=1 / 6, beta=0.5)


@mindir_operator("HSwish", differs="-inf: 0, and NaN in ONNX Runtime")
def hard_swish(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x * clip(x / 6 + 0.5, 0, 1); ONNX has an operator for it from opset 14 on."""
    x = call.tensor(0)
    if builder.opset >= 14:
        return builder.add("HardSwish", [x])
    return builder.add("Mul", [x, builder.add("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])


@mindir_operator("GeLU")
def gelu(call: MindirCall, builder: Builder) -> TypedValue:
    """Gaussian error linear unit, by way of tanh, as MindSpore's kernels do."""
    return _gelu_by_tanh(call.tensor(0), builder)


@mindir_operator("GeluExt", takes={"approximate": (0, 1, "none", "tanh")})
def gelu_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Gaussian error linear unit, exact or by way of tanh."""
    approximate = call.constant(1)
    call.require("approximate", approximate)
    x = call.tensor(0)
    if approximate in (1, "tanh"):
        return _gelu_by_tanh(x, builder)
    if builder.opset >= 20:
        return builder.add("Gelu", [x])
    y = builder.add("Erf", [builder.add("Div", [x, builder.scalar(math.sqrt(2), x)])])
    y = builder.add("Mul", [x, builder.add("Add", [y, builder.scalar(1, x)])])
    return builder.add("Mul", [y, builder.scalar(0.5, x)])


def _gelu_by_tanh(x: TypedValue, builder: Builder) -> TypedValue:
    """Return x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))), in a form that runtimes fuse."""
    if builder.opset >= 20:
        return builder.add("Gelu", [x], approximate="tanh")
    y = builder.add("Mul", [builder.add("Pow", [x, builder.scalar(3, x)]), builder.scalar(0.044715, x)])
    y = builder.add("Mul", [builder.add("Add", [x, y]), builder.scalar(math.sqrt(2 / math.pi), x)])
    y = builder.add("Add", [builder.add("Tanh", [y]), builder.scalar(1, x)])
    return builder.add("Mul", [builder.add("Mul", [x, builder.scalar(0.5, x)]), y])


@mindir_operator("FastGeLU", differs="inf: NaN, and inf in the file")
def fast_gelu(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x * sigmoid(1.702 x)."""
    x = call.tensor(0)
    scaled = builder.add("Mul", [x, builder.scalar(1.702, x)])
    return builder.add("Mul", [x, builder.add("Sigmoid", [scaled])])


@mindir_operator("Elu", "EluExt")
def elu(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x, or alpha * (exp(x) - 1) below zero."""
    return builder.add("Elu", [call.tensor(0)], alpha=float(call.constant(1)))


@mindir_operator("InplaceElu", in_place=0)
def elu_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return builder.add("Elu", [call.tensor(0)], alpha=float(call.constant(1)))


@mindir_operator("SeLU", "SeLUExt")
def selu(call: MindirCall, builder: Builder) -> TypedValue:
    """Scaled exponential linear unit, with the usual constants."""
    return builder.add("Selu", [call.tensor(0)])


@mindir_operator("CeLU")
def celu(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x, or alpha * (exp(x / alpha) - 1) below zero."""
    x, alpha = call.tensor(0), float(call.constant(1))
    if builder.opset >= 12:
        return builder.add("Celu", [x], alpha=alpha)
    y = builder.add("Elu", [builder.add("Div", [x, builder.scalar(alpha, x)])])
    return builder.add("Mul", [y, builder.scalar(alpha, x)])


@mindir_operator("LeakyReLUExt")
def leaky_relu(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x, or a small multiple of it below zero."""
    return builder.add("LeakyRelu", [call.tensor(0)], alpha=float(call.constant(1)))


@mindir_operator("PReLU")
def prelu(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x, or a learnt multiple of it, by channel, below zero."""
    x, slope = call.tensor(0), call.tensor(1)
    if len(x.shape) > 2 and slope.shape != (1,):
        slope = builder.unsqueeze(slope, range(1, len(x.shape) - 1))
    return builder.add("PRelu", [x, slope])


@mindir_operator("Mish", "MishExt", differs="above 50: NaN, and x in the file")
def mish(call: MindirCall, builder: Builder) -> TypedValue:
    """Return x * tanh(log(1 + exp(x))); ONNX has an operator for it from opset 18 on."""
    x = call.tensor(0)
    if builder.opset >= 18:
        return builder.add("Mish", [x])
    return builder.add("Mul", [x, builder.add("Tanh", [builder.add("Softplus", [x])])])


@mindir_operator("SoftplusExt", refuses=(LOW_THRESHOLD,), differs=SOFTPLUS_OF_NAN)
def softplus_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Return log(1 + exp(beta x)) / beta; above the threshold both are x in float32."""
    x, beta, threshold = call.tensor(0), call.constant(1), call.constant(2)
    if threshold < 15:
        raise call.unsupported(LOW_THRESHOLD, threshold=threshold)
    if beta == 1:
        return builder.add("Softplus", [x])
    y = builder.add("Softplus", [builder.add("Mul", [x, builder.scalar(beta, x)])])
    return builder.add("Div", [y, builder.scalar(beta, x)])


@mindir_operator("LogSigmoid", differs="below -88: -inf, and x in the file")
def log_sigmoid(call: MindirCall, builder: Builder) -> TypedValue | tuple[TypedValue | None, ...]:
    """Return log(sigmoid(x)) as -softplus(-x), which does not overflow."""
    x = call.tensor(0)
    y = builder.unary("Neg", builder.unary("Softplus", builder.unary("Neg", x)))
    return (y, None) if isinstance(call.node.type, tuple) else y


@mindir_operator("HShrink")
def hard_shrink(call: MindirCall, builder: Builder) -> TypedValue:
    """Set what is near zero to zero."""
    return builder.add("Shrink", [call.tensor(0)], lambd=float(call.constant(1)), bias=0.0)


@mindir_operator("SoftShrink")
def soft_shrink(call: MindirCall, builder: Builder) -> TypedValue:
    """Move everything towards zero, as far as zero."""
    bound = float(call.constant(1))
    return builder.add("Shrink", [call.tensor(0)], lambd=bound, bias=bound)


@mindir_operator("Threshold")
def threshold(call: MindirCall, builder: Builder) -> TypedValue:
    """Replace what is not above the threshold."""
    return _threshold(call, builder)


@mindir_operator("InplaceThreshold", in_place=0)
def threshold_in_place(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same; the result also replaces the operand."""
    return _threshold(call, builder)


def _threshold(call: MindirCall, builder: Builder) -> TypedValue:
    x = call.tensor(0)
    above = builder.compare("Greater", x, builder.scalar(call.constant(1), x))
    return builder.add("Where", [above, x, builder.scalar(call.constant(2), x)])


@mindir_operator("GLU")
def gated_linear_unit(call: MindirCall, builder: Builder) -> TypedValue:
    """Multiply the first half along an axis by the sigmoid of the second."""
    x = call.tensor(0)
    (axis,) = call.axes(1, len(x.shape))
    attributes: dict[str, Any] = {"num_outputs": 2} if builder.opset >= 18 else {}
    first, second = builder.add_many("Split", [x], [call.type] * 2, axis=axis, **attributes)
    return builder.add("Mul", [first, builder.add("Sigmoid", [second])])


@mindir_operator(
    "Softmax",
    "LogSoftmax",
    "LogSoftmaxExt",
    takes={"dtype": (None,)},
    refuses=(MANY_AXES,),
    differs=NO_NUMBERS,
)
def softmax(call: MindirCall, builder: Builder) -> TypedValue:
    """Softmax or its logarithm over one axis, given as a number or a tuple of one."""
    x = call.tensor(0)
    axes = call.axes(1, len(x.shape))
    if call.primitive == "LogSoftmaxExt":
        call.require("dtype", call.constant(2))
        axes = axes or [0 if len(x.shape) in (0, 1, 3) else 1]
    if len(axes) != 1:
        raise call.unsupported(MANY_AXES, axes=tuple(axes))
    op_type, (axis,), last = call.primitive.removesuffix("Ext"), axes, len(x.shape) - 1
    if builder.opset >= 13 or axis == last:
        return builder.add(op_type, [x], axis=axis)
    # before opset 13 it ran over all axes from that one on
    order = list(range(len(x.shape)))
    order[axis], order[last] = last, axis
    return builder.transpose(builder.unary(op_type, builder.transpose(x, order), axis=last), order)
