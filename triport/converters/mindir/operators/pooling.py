"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from onnx import helper

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

NO_BATCH = "its input has no batch axis"
OTHER_END = "it pads otherwise at the end than at the beginning"
DIVISOR = 'its padding is "same", and divisor_override is not 0'

SAME = ("same", "SAME")
VALID = ("valid", "VALID")
PAD = ("pad", "PAD", "CALCULATED")
# PadMode, as the primitive functions number it
PAD_MODES = {0: "PAD", 1: "SAME", 2: "VALID"}


@mindir_operator("MaxPool", takes={"format": ("NCHW",), "pad_mode": ("SAME", "VALID")})
def max_pool(call: MindirCall, builder: Builder) -> TypedValue:
    """Take the maximum over a window; "same" padding never wins."""
    call.require("format", call.attribute("format"))
    attributes = _same_or_valid(call, call.attribute("pad_mode"))
    kernel, strides = call.attribute("kernel_size")[2:], call.attribute("strides")[2:]
    if not attributes:
        pooled = _max_pool_behind_zeros(call, builder, kernel, strides)
        if pooled is not None:
            return pooled
    return builder.add("MaxPool", [call.tensor(0)], kernel_shape=kernel, strides=strides, **attributes)


def _max_pool_behind_zeros(
    call: MindirCall, builder: Builder, kernel: Sequence[int], strides: Sequence[int]
) -> TypedValue | None:
    """Return a max-pool over what was padded with zeros as a padded one, None if nothing was.

    ONNX Runtime's optimiser (1.31, Pad_Fusion) merges a Pad into the MaxPool behind it as if zeros
    were never the largest, which is wrong for negative values. A padded MaxPool, and zero as the
    least where its window touches the padding, is right in every runtime.
    """
    padded = builder.get_zero_padded(call.tensor(0))
    if padded is None:
        return None
    x, begins, ends = padded
    rank = len(kernel)
    if any(begins[:-rank]) or any(ends[:-rank]):
        return None
    begins, ends = begins[-rank:], ends[-rank:]
    pairs = [(pad, size) for pads in (begins, ends) for pad, size in zip(pads, kernel, strict=True)]
    if any(pad < 0 for pad, _ in pairs):
        return None
    if any(pad >= size for pad, size in pairs):
        # merged, the MaxPool would be refused: its padding must be smaller than its window
        whole = call.tensor(0)
        least = builder.constant(np.array(_lowest_number(x)), x.type.elem_type)
        apart = builder.add("Max", [whole, least], whole.type)
        return builder.add("MaxPool", [apart], kernel_shape=kernel, strides=strides)
    check_size(*call.type.shape[2:])
    y = builder.add("MaxPool", [x], kernel_shape=kernel, strides=strides, pads=[*begins, *ends])
    if builder.is_never_negative(x):
        return y
    touches = np.zeros([1] * rank, bool)
    windows = zip(x.shape[-rank:], call.type.shape[-rank:], kernel, strides, begins, strict=True)
    for axis, (size, after, extent, stride, begin) in enumerate(windows):
        starts = np.arange(after) * stride - begin
        touching = (starts < 0) | (starts + extent > size)
        touches = touches | touching.reshape([-1] + [1] * (rank - 1 - axis))
    lowest = np.where(touches, 0, _lowest_number(y))
    return builder.add("Max", [y, builder.constant(lowest, y.type.elem_type)])


def _lowest_number(value: TypedValue) -> float:
    """Return the lowest number that the value's type has."""
    return float(np.finfo(helper.tensor_dtype_to_np_dtype(value.type.elem_type)).min)


@mindir_operator("AvgPool", takes={"format": (0, "NCHW"), "pad_mode": ("SAME", "VALID")})
def avg_pool(call: MindirCall, builder: Builder) -> TypedValue:
    """Average over a window; "same" padding is not counted."""
    kernel, strides, pad_mode, format_ = (call.constant(index) for index in range(1, 5))
    call.require("format", format_)
    attributes = _same_or_valid(call, PAD_MODES.get(pad_mode, pad_mode))
    return builder.add(
        "AveragePool", [call.tensor(0)], kernel_shape=kernel[-2:], strides=strides[-2:], **attributes
    )


def _same_or_valid(call: MindirCall, pad_mode: str) -> dict[str, Any]:
    call.require("pad_mode", pad_mode)
    return {"auto_pad": "SAME_UPPER"} if pad_mode == "SAME" else {}


@mindir_operator("MaxPoolWithArgmaxV2")
def max_pool_with_argmax(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Take the maximum over a padded window; where it was found is not converted."""
    call.ignore("argmax_type", why="of the second result")
    names = ("kernel_size", "strides", "pads", "dilation")
    windows = zip(*(call.attribute(name)[2:] for name in names), strict=True)
    return _padded_max_pool(call, builder, windows, call.attribute("ceil_mode"))


@mindir_operator("MaxPoolWithMask", "MaxPoolWithIndices")
def max_pool_with_mask(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Take the maximum over a padded window; mask and indices are not converted."""
    kernel, strides, pads, dilations, ceil_mode = (call.constant(index) for index in range(1, 6))
    call.constant(6)  # the mask's type
    windows = zip(
        *(_spread(values, 2) for values in (kernel, strides or kernel, pads, dilations)), strict=True
    )
    return _padded_max_pool(call, builder, windows, ceil_mode)


@mindir_operator("MaxPool3DWithArgmax", takes={"format": ("NCDHW",)})
def max_pool_3d_with_argmax(call: MindirCall, builder: Builder) -> tuple[TypedValue | None, ...]:
    """Do the same in three dimensions."""
    call.require("format", call.attribute("format"))
    call.ignore("argmax_type", why="of the second result")
    names = ("ksize", "strides", "pads", "dilation")
    windows = zip(*(call.attribute(name) for name in names), strict=True)
    return _padded_max_pool(call, builder, windows, call.attribute("ceil_mode"))


def _padded_max_pool(
    call: MindirCall, builder: Builder, windows: Iterable[tuple[int, ...]], ceil_mode: bool
) -> tuple[TypedValue | None, ...]:
    return _pool(call, builder, "MaxPool", list(windows), call.types[0], ceil_mode=int(ceil_mode)), None


@mindir_operator("MaxPool3D", takes={"format": ("NCDHW",), "pad_mode": (*PAD, *SAME, *VALID)})
def max_pool_3d(call: MindirCall, builder: Builder) -> TypedValue:
    """Take the maximum over a window in three dimensions."""
    call.require("format", call.attribute("format"))
    pad_mode, pads = call.attribute("pad_mode"), call.attribute("pad_list")
    call.require("pad_mode", pad_mode)
    kernel, strides = call.attribute("kernel_size")[2:], call.attribute("strides")[2:]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if pad_mode in SAME:
        attributes["auto_pad"] = "SAME_UPPER"
        call.ignore("ceil_mode", why="the size follows from the strides")
    else:
        if any(pads):
            attributes["pads"] = [*pads[::2], *pads[1::2]]
        if call.attribute("ceil_mode"):
            attributes["ceil_mode"] = 1
    return builder.add("MaxPool", [call.tensor(0)], **attributes)


@mindir_operator(
    "AvgPool3D",
    takes={"format": ("NCDHW",), "pad_mode": (*PAD, *SAME, *VALID)},
    refuses=(OTHER_END, DIVISOR),
)
def avg_pool_3d(call: MindirCall, builder: Builder) -> TypedValue:
    """Average over a padded window in three dimensions."""
    call.require("format", call.attribute("format"))
    pad_mode = call.attribute("pad_mode")
    call.require("pad_mode", pad_mode)
    call.ignore("pad_list", why="pad, worked out for the traced size")
    pads = call.attribute("pad")
    if pads[1::2] != pads[::2]:
        raise call.unsupported(OTHER_END)
    kernel, strides = call.attribute("kernel_size")[2:], call.attribute("strides")[2:]
    if pad_mode in SAME:
        call.ignore("ceil_mode", why="the size follows from the strides")
        if call.attribute("divisor_override") != 0:
            raise call.unsupported(DIVISOR)
        counted = int(call.attribute("count_include_pad"))
        attributes = {"kernel_shape": kernel, "strides": strides, "auto_pad": "SAME_UPPER"}
        return builder.add("AveragePool", [call.tensor(0)], count_include_pad=counted, **attributes)
    return _padded_avg_pool(
        call,
        builder,
        [(*window, 1) for window in zip(kernel, strides, pads[::2], strict=True)],
        call.attribute("ceil_mode"),
        call.attribute("count_include_pad"),
        call.attribute("divisor_override"),
    )


@mindir_operator("AvgPool2D", "AvgPool3DExt", refuses=(NO_BATCH,))
def avg_pool_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Average over a padded window of two axes or three, as `mint` does."""
    kernel, strides, pads, ceil_mode, count_include_pad, divisor = (call.constant(i) for i in range(1, 7))
    rank = 2 if call.primitive == "AvgPool2D" else 3
    if len(call.type.shape) != rank + 2:
        raise call.unsupported(NO_BATCH)
    windows = zip(*(_spread(values, rank) for values in (kernel, strides or kernel, pads)), strict=True)
    return _padded_avg_pool(
        call, builder, [(*window, 1) for window in windows], ceil_mode, count_include_pad, divisor
    )


@mindir_operator("AvgPool1D")
def avg_pool_1d(call: MindirCall, builder: Builder) -> TypedValue:
    """Average over a padded window of one axis, as `mint` does."""
    kernel, strides, pads, ceil_mode, count_include_pad = (call.constant(i) for i in range(1, 6))
    (window,) = zip(kernel, strides or kernel, pads, strict=True)
    return _padded_avg_pool(call, builder, [(*window, 1)], ceil_mode, count_include_pad, None)


def _padded_avg_pool(
    call: MindirCall,
    builder: Builder,
    windows: Sequence[tuple[int, ...]],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> TypedValue:
    if ceil_mode and _is_ragged(call.tensor(0).shape[2:], windows) and (count_include_pad or divisor):
        return _overrunning_avg_pool(call, builder, windows, divisor)
    attributes = {"ceil_mode": int(ceil_mode), "count_include_pad": int(count_include_pad or bool(divisor))}
    y = _pool(call, builder, "AveragePool", windows, call.type, **attributes)
    if divisor:
        y = builder.add("Mul", [y, builder.scalar(math.prod(w[0] for w in windows) / divisor, y)])
    return y


def _overrunning_avg_pool(
    call: MindirCall, builder: Builder, windows: Sequence[tuple[int, ...]], divisor: int | None
) -> TypedValue:
    """Average where the last windows overrun the padding, of which the part beyond does not count.

    ONNX's runtimes disagree on that: so the padding is made first, and the averages are corrected.
    """
    x = call.tensor(0)
    check_size(*call.type.shape[2:])
    begins, ends, factors = [], [], np.ones(())
    for size, after, (kernel, stride, pad, _) in zip(x.shape[2:], call.type.shape[2:], windows, strict=True):
        begins.append(pad)
        ends.append((after - 1) * stride + kernel - size - pad)
        counts = [min(index * stride + kernel, size + 2 * pad) - index * stride for index in range(after)]
        factors = factors[..., None] * (kernel / np.array(counts))
    if divisor:
        factors = np.full(factors.shape, math.prod(window[0] for window in windows) / divisor)
    pads = [0, 0, *begins, 0, 0, *(max(end, 0) for end in ends)]
    shape = (size + pads[axis] + pads[axis + len(x.shape)] for axis, size in enumerate(x.shape))
    padded = builder.add("Pad", [x, builder.constant(pads)], TensorType(x.type.elem_type, tuple(shape)))
    kernel_shape, strides = [window[0] for window in windows], [window[1] for window in windows]
    y = builder.add("AveragePool", [padded], kernel_shape=kernel_shape, strides=strides)
    return builder.add("Mul", [y, builder.constant(factors, x.type.elem_type)])


def _is_ragged(sizes: Sequence[int], windows: Sequence[tuple[int, ...]]) -> bool:
    return any(
        (size + 2 * pad - kernel) % stride
        for size, (kernel, stride, pad, _) in zip(sizes, windows, strict=True)
    )


def _pool(
    call: MindirCall,
    builder: Builder,
    op_type: str,
    windows: Sequence[tuple[int, ...]],
    type_: TensorType,
    **attributes: int,
) -> TypedValue:
    """Add a pool with symmetric padding; windows are (kernel, stride, padding, dilation) by axis.

    MindSpore pads a 2-D pool by way of a 3-D one: ExpandDims, pool, Squeeze. Where the first axis
    is such a one, the pool is 2-D and its result expanded.
    """
    x = call.tensor(0)
    unsqueezed = builder.get_unsqueezed(x)
    expanded = len(windows) == 3 and windows[0] == (1, 1, 0, 1) and unsqueezed and unsqueezed[1] == [2]
    pool_type = type_
    if unsqueezed and expanded:
        x = TypedValue(unsqueezed[0].ir, _drop_depth(x.type))
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
    return builder.unsqueeze(y, [2], type_) if expanded else y


def _drop_depth(type_: TensorType) -> TensorType:
    return TensorType(type_.elem_type, (*type_.shape[:2], *type_.shape[3:]))


def _spread(values: Any, rank: int) -> tuple[int, ...]:
    """Return one number for each axis."""
    values = (values,) if isinstance(values, int) else tuple(values)
    return values * rank if len(values) == 1 else values[-rank:]
