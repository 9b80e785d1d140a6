"""Normalisation by the statistics of the input itself."""

from __future__ import annotations

import math

import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator


@mindir_operator("LayerNorm")
def layer_norm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Normalise over the axes from `begin_norm_axis` on."""
    x, scale, bias = (call.tensor(index) for index in range(3))
    begin, begin_params = (call.constant(index) % len(x.shape) for index in (3, 4))
    scale, bias = (_align(builder, value, begin_params, x) for value in (scale, bias))
    return _layer_norm(builder, x, scale, bias, begin, call.constant(5)), None, None


@mindir_operator("LayerNormExt")
def layer_norm_ext(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Normalise over the last axes, as `mint` does; scale and bias may be None."""
    x, normalized_shape = call.tensor(0), call.constant(1)
    scale = builder.ones(normalized_shape, x) if call.entry(2) is None else call.tensor(2)
    bias = None if call.entry(3) is None else call.tensor(3)
    begin = len(x.shape) - len(normalized_shape)
    return _layer_norm(builder, x, scale, bias, begin, call.constant(4)), None, None


def _align(builder: Builder, value: TypedValue, begin: int, x: TypedValue) -> TypedValue:
    """Append axes of size 1, so that the first axis of a parameter is axis `begin` of x."""
    missing = len(x.shape) - begin - len(value.shape)
    return builder.unsqueeze(value, range(len(value.shape), len(value.shape) + missing)) if missing else value


def _layer_norm(
    builder: Builder, x: TypedValue, scale: TypedValue, bias: TypedValue | None, begin: int, epsilon: float
) -> TypedValue:
    inputs = [x, scale, *([bias] if bias else [])]
    in_place = all(value.shape == x.shape[begin:] for value in inputs[1:])
    if builder.opset >= 17 and in_place:
        return builder.unary_of("LayerNormalization", inputs, axis=begin, epsilon=epsilon)
    y = _standardize(builder, x, range(begin, len(x.shape)), epsilon)
    y = builder.binary("Mul", y, scale)
    return builder.binary("Add", y, bias) if bias else y


def _standardize(builder: Builder, x: TypedValue, axes: range, epsilon: float) -> TypedValue:
    """Subtract the mean over the axes and divide by the standard deviation."""
    centred = builder.binary("Sub", x, builder.reduce("ReduceMean", x, axes, keep_dims=True))
    square = builder.binary("Pow", centred, builder.scalar(2, x))
    variance = builder.reduce("ReduceMean", square, axes, keep_dims=True)
    deviation = builder.unary("Sqrt", builder.binary("Add", variance, builder.scalar(epsilon, x)))
    return builder.binary("Div", centred, deviation)


@mindir_operator("GroupNorm")
def group_norm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Normalise over groups of channels and all that follows; ONNX has it by channel from opset 21 on."""
    x, groups, epsilon = call.tensor(0), call.constant(1), call.constant(4)
    channels = x.shape[1]
    scale = builder.ones((channels,), x) if call.entry(2) is None else call.tensor(2)
    bias = builder.zeros((channels,), x) if call.entry(3) is None else call.tensor(3)
    if builder.opset >= 21:
        inputs = [x, scale, bias]
        y = builder.unary_of("GroupNormalization", inputs, num_groups=groups, epsilon=epsilon)
        return y, None, None
    if groups == channels:
        return builder.unary_of("InstanceNormalization", [x, scale, bias], epsilon=epsilon), None, None
    # as a batch of `groups` channels of one long row each
    rows = builder.reshape(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    inputs = [rows, builder.ones((groups,), x), builder.zeros((groups,), x)]
    y = builder.unary_of("InstanceNormalization", inputs, epsilon=epsilon)
    shape = builder.constant([0, *x.shape[1:]])
    y = builder.add("Reshape", [y, shape], x.type)
    trailing = range(1, len(x.shape) - 1)
    y = builder.binary("Mul", y, builder.unsqueeze(scale, trailing))
    return builder.binary("Add", y, builder.unsqueeze(bias, trailing)), None, None


@mindir_operator("InstanceNorm")
def instance_norm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Normalise each channel of each image by its own statistics."""
    x, scale, bias = (call.tensor(index) for index in range(3))
    for index in (3, 4):
        call.entry(index)  # moving statistics, which it only updates
    call.ignore("momentum", why="of the moving statistics")
    y = builder.unary_of("InstanceNormalization", [x, scale, bias], epsilon=call.attribute("epsilon"))
    return y, None, None


@mindir_operator("RmsNorm")
def rms_norm(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Divide by the root of the mean square over the last axes."""
    x, scale, epsilon = call.tensor(0), call.tensor(1), call.constant(2)
    axes = range(len(x.shape) - len(scale.shape), len(x.shape))
    mean = builder.reduce("ReduceMean", builder.binary("Mul", x, x), axes, keep_dims=True)
    root = builder.unary("Sqrt", builder.binary("Add", mean, builder.scalar(epsilon, x)))
    return builder.binary("Mul", builder.binary("Div", x, root), scale), None


@mindir_operator("L2Normalize", differs="NaN: left out of the norm, and NaN in the file")
def l2_normalize(call: MindirCall, builder: Builder) -> TypedValue:
    """Divide by the root of the sum of squares, which is at least epsilon."""
    x = call.tensor(0)
    given = call.attribute("axis")
    axes = [axis % len(x.shape) for axis in ([given] if isinstance(given, int) else given)]
    norm = builder.reduce("ReduceL2", x, axes, keep_dims=True)
    floor = builder.scalar(math.sqrt(call.attribute("epsilon")), x)
    return builder.add("Div", [x, builder.binary("Max", norm, floor)])


@mindir_operator("LpNorm")
def lp_norm(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the p-norm over axes, at least epsilon."""
    x, p, epsilon = call.tensor(0), call.attribute("p"), call.attribute("epsilon")
    given = call.attribute("axis")
    axes = [axis % len(x.shape) for axis in ([given] if isinstance(given, int) else given)]
    y = _norm(builder, x, p, axes or list(range(len(x.shape))), bool(call.attribute("keep_dims")))
    return builder.binary("Max", y, builder.scalar(epsilon, x)) if epsilon > 1e-6 else y


@mindir_operator("LinalgVectorNorm")
def vector_norm(call: MindirCall, builder: Builder) -> TypedValue:
    """Return the p-norm over axes; none means all."""
    x = builder.cast(call.tensor(0), call.type.elem_type)
    p, axes, keep_dims = call.constant(1), call.axes(2, len(x.shape)), bool(call.constant(3))
    for index in range(4, call.num_inputs):
        call.constant(index)  # the result's type, which is known
    return _norm(builder, x, 2 if p is None else p, axes or list(range(len(x.shape))), keep_dims)


def _norm(builder: Builder, x: TypedValue, p: float, axes: list[int], keep_dims: bool) -> TypedValue:
    if p in (1, 2):
        return builder.reduce(f"ReduceL{int(p)}", x, axes, keep_dims)
    size = builder.unary("Abs", x)
    if math.isinf(p):
        return builder.reduce("ReduceMax" if p > 0 else "ReduceMin", size, axes, keep_dims)
    if p == 0:
        marks = builder.cast(builder.cast(x, onnx.TensorProto.BOOL), x.type.elem_type)
        return builder.reduce("ReduceSum", marks, axes, keep_dims)
    total = builder.reduce("ReduceSum", builder.binary("Pow", size, builder.scalar(p, x)), axes, keep_dims)
    return builder.binary("Pow", total, builder.scalar(1 / p, x))


@mindir_operator("LRN", takes={"norm_region": ("ACROSS_CHANNELS",)})
def local_response_norm(call: MindirCall, builder: Builder) -> TypedValue:
    """Divide by a power of the sum of squares of the neighbouring channels."""
    radius, alpha, beta, bias = (call.attribute(name) for name in ("depth_radius", "alpha", "beta", "bias"))
    call.require("norm_region", call.attribute("norm_region", "ACROSS_CHANNELS"))
    size = 2 * radius + 1
    return builder.add("LRN", [call.tensor(0)], size=size, alpha=alpha * size, beta=beta, bias=bias)
