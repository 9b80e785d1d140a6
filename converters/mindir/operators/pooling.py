"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from converters.mindir.builder import Builder, Call, Value
from converters.mindir.reader import TensorType

from . import mindir_operator

# PadMode, as the primitive functions number it
PAD_MODES = {0: "PAD", 1: "SAME", 2: "VALID"}


@mindir_operator("MaxPool")
def max_pool(call: Call, builder: Builder) -> Value:
    """Take the maximum over a window; "same" padding never wins."""
    call.require("format", call.attribute("format"), "NCHW")
    attributes = _same_or_valid(call, call.attribute("pad_mode"))
    kernel, strides = call.attribute("kernel_size"), call.attribute("strides")
    return builder.add(
        "MaxPool", [call.tensor(0)], kernel_shape=kernel[2:], strides=strides[2:], **attributes
    )


@mindir_operator("AvgPool")
def avg_pool(call: Call, builder: Builder) -> Value:
    """Average over a window; "same" padding is not counted."""
    kernel, strides, pad_mode, format_ = (call.constant(index) for index in range(1, 5))
    call.require("format", format_, 0, "NCHW")
    attributes = _same_or_valid(call, PAD_MODES.get(pad_mode, pad_mode))
    return builder.add(
        "AveragePool", [call.tensor(0)], kernel_shape=kernel[-2:], strides=strides[-2:], **attributes
    )


def _same_or_valid(call: Call, pad_mode: str) -> dict[str, Any]:
    call.require("pad_mode", pad_mode, "SAME", "VALID")
    return {"auto_pad": "SAME_UPPER"} if pad_mode == "SAME" else {}


@mindir_operator("MaxPoolWithArgmaxV2")
def max_pool_with_argmax(call: Call, builder: Builder) -> tuple[Value | None, ...]:
    """Take the maximum over a padded window; where it was found is not converted."""
    call.ignore("argmax_type", why="of the second result")
    names = ("kernel_size", "strides", "pads", "dilation")
    windows = zip(*(call.attribute(name)[2:] for name in names), strict=True)
    return _padded_max_pool(call, builder, windows, call.attribute("ceil_mode"))


@mindir_operator("MaxPoolWithMask")
def max_pool_with_mask(call: Call, builder: Builder) -> tuple[Value | None, ...]:
    """Take the maximum over a padded window; the mask is not converted."""
    kernel, strides, pads, dilations, ceil_mode = (call.constant(index) for index in range(1, 6))
    call.constant(6)  # the mask's type
    windows = zip(*map(_pair, (kernel, strides or kernel, pads, dilations)), strict=True)
    return _padded_max_pool(call, builder, windows, ceil_mode)


@mindir_operator("MaxPool3DWithArgmax")
def max_pool_3d_with_argmax(call: Call, builder: Builder) -> tuple[Value | None, ...]:
    """Do the same in three dimensions."""
    call.require("format", call.attribute("format"), "NCDHW")
    call.ignore("argmax_type", why="of the second result")
    names = ("ksize", "strides", "pads", "dilation")
    windows = zip(*(call.attribute(name) for name in names), strict=True)
    return _padded_max_pool(call, builder, windows, call.attribute("ceil_mode"))


def _padded_max_pool(
    call: Call, builder: Builder, windows: Iterable[tuple[int, ...]], ceil_mode: bool
) -> tuple[Value | None, ...]:
    return _pool(call, builder, "MaxPool", list(windows), call.types[0], ceil_mode=int(ceil_mode)), None


@mindir_operator("AvgPool3D")
def avg_pool_3d(call: Call, builder: Builder) -> Value:
    """Average over a padded window in three dimensions."""
    call.require("format", call.attribute("format"), "NCDHW")
    call.require("pad_mode", call.attribute("pad_mode"), "PAD", "pad", "VALID", "valid")
    call.ignore("pad_list", why="pad, worked out for the traced size")
    pads = call.attribute("pad")
    call.require("the end padding", pads[1::2], pads[::2])
    kernel, strides = call.attribute("kernel_size")[2:], call.attribute("strides")[2:]
    return _padded_avg_pool(
        call,
        builder,
        [(*window, 1) for window in zip(kernel, strides, pads[::2], strict=True)],
        call.attribute("ceil_mode"),
        call.attribute("count_include_pad"),
        call.attribute("divisor_override"),
    )


@mindir_operator("AvgPool2D")
def avg_pool_2d(call: Call, builder: Builder) -> Value:
    """Average over a padded window, as `mint` does."""
    kernel, strides, pads, ceil_mode, count_include_pad, divisor = (call.constant(i) for i in range(1, 7))
    windows = zip(*map(_pair, (kernel, strides or kernel, pads)), strict=True)
    return _padded_avg_pool(
        call, builder, [(*window, 1) for window in windows], ceil_mode, count_include_pad, divisor
    )


def _padded_avg_pool(
    call: Call,
    builder: Builder,
    windows: Sequence[tuple[int, ...]],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Value:
    if ceil_mode and _is_ragged(call.tensor(0).shape[2:], windows) and (count_include_pad or divisor):
        # ONNX and its runtimes disagree on whether the part beyond the padding counts
        raise call.unsupported("ceil_mode with count_include_pad, at a size that the windows overrun")
    attributes = {"ceil_mode": int(ceil_mode), "count_include_pad": int(count_include_pad or bool(divisor))}
    y = _pool(call, builder, "AveragePool", windows, call.type, **attributes)
    if divisor:
        y = builder.add("Mul", [y, builder.scalar(math.prod(w[0] for w in windows) / divisor, y)])
    return y


def _is_ragged(sizes: Sequence[int], windows: Sequence[tuple[int, ...]]) -> bool:
    return any(
        (size + 2 * pad - kernel) % stride
        for size, (kernel, stride, pad, _) in zip(sizes, windows, strict=True)
    )


def _pool(
    call: Call,
    builder: Builder,
    op_type: str,
    windows: Sequence[tuple[int, ...]],
    type_: TensorType,
    **attributes: int,
) -> Value:
    """Add a pool with symmetric padding; windows are (kernel, stride, padding, dilation) by axis.

    MindSpore pads a 2-D pool by way of a 3-D one: ExpandDims, pool, Squeeze. Where the first axis
    is such a one, the pool is 2-D and its result expanded.
    """
    x = call.tensor(0)
    unsqueezed = builder.get_unsqueezed(x)
    expanded = len(windows) == 3 and windows[0] == (1, 1, 0, 1) and unsqueezed and unsqueezed[1] == [2]
    pool_type = type_
    if unsqueezed and expanded:
        x = Value(unsqueezed[0], _drop_depth(x.type))
        pool_type = _drop_depth(type_)
        windows = windows[1:]
    kernel, strides, pads, dilations = map(list, zip(*windows, strict=True))
    given: dict[str, Any] = {name: value for name, value in attributes.items() if value}
    if any(pads):
        given["pads"] = pads + pads
    else:
        given.pop("count_include_pad", None)
    if set(dilations) != {1}:
        given["dilations"] = dilations
    y = builder.add(op_type, [x], pool_type, kernel_shape=kernel, strides=strides, **given)
    return builder.add("Unsqueeze", [y, builder.constant([2])], type_) if expanded else y


def _drop_depth(type_: TensorType) -> TensorType:
    return TensorType(type_.elem_type, (*type_.shape[:2], *type_.shape[3:]))


def _pair(values: Any) -> tuple[int, int]:
    values = (values,) if isinstance(values, int) else tuple(values)
    return values * 2 if len(values) == 1 else values[-2:]


@mindir_operator("AdaptiveAvgPool2D")
def adaptive_avg_pool(call: Call, builder: Builder) -> Value:
    """Average down to a given size; -1 keeps the size."""
    return _adaptive_avg_pool(call, builder, call.attribute("output_size"))


@mindir_operator("AdaptiveAvgPool2DExt")
def adaptive_avg_pool_ext(call: Call, builder: Builder) -> Value:
    """Average down to a given size, as `mint` does."""
    return _adaptive_avg_pool(call, builder, call.constant(1))


def _adaptive_avg_pool(call: Call, builder: Builder, output_size: Any) -> Value:
    x = call.tensor(0)
    before = x.shape[-2:]
    after = tuple(
        old if new in (-1, None) else new for old, new in zip(before, _pair(output_size), strict=True)
    )
    if before == after:
        return x
    if after == (1, 1) and len(x.shape) == 4:
        return builder.add("GlobalAveragePool", [x])
    if len(x.shape) == 4 and all(old % new == 0 for old, new in zip(before, after, strict=True)):
        kernel = [old // new for old, new in zip(before, after, strict=True)]
        return builder.add("AveragePool", [x], kernel_shape=kernel, strides=kernel)
    # windows of unequal size: a matrix for each axis holds their weights
    rows, columns = (_averaging_matrix(old, new) for old, new in zip(before, after, strict=True))
    narrow = TensorType(x.type.elem_type, (*x.shape[:-1], after[1]))
    x = builder.add("MatMul", [x, builder.constant(columns.T, x.type.elem_type)], narrow)
    return builder.add("MatMul", [builder.constant(rows, x.type.elem_type), x])


def _averaging_matrix(before: int, after: int) -> np.ndarray:
    """Return the (after, before) matrix whose row i averages floor(i b / a) .. ceil((i + 1) b / a)."""
    matrix = np.zeros((after, before))
    for index in range(after):
        start, end = index * before // after, -(-(index + 1) * before // after)
        matrix[index, start:end] = 1 / (end - start)
    return matrix
