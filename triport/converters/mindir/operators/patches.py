"""Patches of images as channels, and channels as pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

NO_BATCH = "its result has no batch axis"
CHANNELS_FIRST = {"format": ("NCHW",), "data_format": ("NCHW",)}


@mindir_operator("Im2Col", takes={"padding_mode": ("CALCULATED",)})
def image_to_columns(call: MindirCall, builder: Builder) -> TypedValue:
    """Make (N, C, H, W) into (N, C, kernel height * width, windows)."""
    call.require("padding_mode", call.attribute("padding_mode", "CALCULATED"))
    names = ("ksizes", "strides", "dilations", "pads")
    kernel, strides, dilations, pads = (_pair(call.attribute(name)) for name in names)
    return builder.reshape(_windows(call, builder, kernel, strides, dilations, pads), call.type.shape)


@mindir_operator("Im2ColExt")
def image_to_columns_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Make (N, C, H, W) into (N, C * kernel height * width, windows), as `mint` does."""
    kernel, dilations, pads, strides = (_pair(call.constant(index)) for index in range(1, 5))
    return builder.reshape(_windows(call, builder, kernel, strides, dilations, pads), call.type.shape)


@mindir_operator("Col2Im", refuses=(NO_BATCH,))
def columns_to_image(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up (N, C, kernel height * width, windows) into (N, C, H, W)."""
    call.constant(1)  # the size, which the result has
    names = ("kernel_size", "stride", "dilation", "padding")
    return _add_windows(call, builder, *(_pair(call.attribute(name)) for name in names))


@mindir_operator("Col2ImExt", refuses=(NO_BATCH,))
def columns_to_image_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Add up (N, C * kernel height * width, windows) into (N, C, H, W), as `mint` does."""
    call.constant(1)
    kernel, dilations, pads, strides = (_pair(call.constant(index)) for index in range(2, 6))
    return _add_windows(call, builder, kernel, strides, dilations, pads)


def _add_windows(
    call: MindirCall,
    builder: Builder,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> TypedValue:
    """Add windows up: the transpose of the convolution that cuts them out."""
    if len(call.type.shape) != 4:
        raise call.unsupported(NO_BATCH)
    x, (batch, channels, *sizes) = call.tensor(0), call.type.shape
    pixels = math.prod(kernel)
    check_size(channels, pixels, pixels)
    spans = [dilation * (extent - 1) + 1 for extent, dilation in zip(kernel, dilations, strict=True)]
    windows, left_over = [], []
    for size, span, stride, pad in zip(sizes, spans, strides, pads, strict=True):
        windows.append((size + 2 * pad - span) // stride + 1)
        left_over.append((size + 2 * pad - span) % stride)
    x = builder.reshape(x, (batch, channels * pixels, *windows))
    picks = np.tile(np.eye(pixels).reshape(pixels, 1, *kernel), (channels, 1, 1, 1))
    return builder.add(
        "ConvTranspose",
        [x, builder.constant(picks, x.type.elem_type)],
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=[*pads, *pads],
        output_padding=left_over,
        group=channels,
    )


@mindir_operator("ExtractImagePatches", takes={"padding": (1, 2, "SAME", "VALID", "same", "valid")})
def extract_image_patches(call: MindirCall, builder: Builder) -> TypedValue:
    """Make the pixels of each window its channels: rows, columns, then the image's channels."""
    if call.num_inputs > 1:
        kernel, strides, rates = (_pair(call.constant(index)) for index in range(1, 4))
        padding = call.constant(4)
    else:
        kernel, strides, rates = (_pair(call.attribute(name)[2:]) for name in ("ksizes", "strides", "rates"))
        padding = call.attribute("padding")
    call.require("padding", padding)
    x, (batch, _, rows, columns) = call.tensor(0), call.type.shape
    pads = (0, 0)
    if str(padding).lower() in ("1", "same"):
        needed = [
            max((after - 1) * stride + rate * (size - 1) + 1 - before, 0)
            for before, after, stride, rate, size in zip(
                x.shape[2:], (rows, columns), strides, rates, kernel, strict=True
            )
        ]
        begins = [size // 2 for size in needed]
        padded = [before + size for before, size in zip(x.shape[2:], needed, strict=True)]
        if any(needed):
            amounts = [0, 0, *begins, 0, 0, *(size - b for size, b in zip(needed, begins, strict=True))]
            type_ = TensorType(x.type.elem_type, (*x.shape[:2], *padded))
            x = builder.add("Pad", [x, builder.constant(amounts)], type_)
    y = _windows(call, builder, kernel, strides, rates, pads, x)
    pixels = math.prod(kernel)
    y = builder.reshape(y, (batch, x.shape[1], pixels, rows * columns))
    return builder.reshape(builder.transpose(y, [0, 2, 1, 3]), call.type.shape)


def _windows(
    call: MindirCall,
    builder: Builder,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    x: TypedValue | None = None,
) -> TypedValue:
    """Return (N, C * kernel height * width, rows, columns), by a convolution that picks single pixels."""
    x = x or call.tensor(0)
    channels, pixels = x.shape[1], math.prod(kernel)
    check_size(channels, pixels, pixels)
    picks = np.tile(np.eye(pixels).reshape(pixels, 1, *kernel), (channels, 1, 1, 1))
    sizes = zip(x.shape[2:], kernel, strides, dilations, pads, strict=True)
    windows = (
        (size + 2 * pad - dilation * (extent - 1) - 1) // stride + 1
        for size, extent, stride, dilation, pad in sizes
    )
    return builder.add(
        "Conv",
        [x, builder.constant(picks, x.type.elem_type)],
        TensorType(x.type.elem_type, (x.shape[0], channels * pixels, *windows)),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=[*pads, *pads],
        group=channels,
    )


def _pair(values: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(values, int):
        return (values, values)
    if len(values) == 4 and tuple(values[2:]) == tuple(values[:2]):
        return (values[0], values[1])
    if len(values) == 1:
        return (values[0], values[0])
    first, second = values
    return (first, second)


@mindir_operator("ChannelShuffle")
def channel_shuffle(call: MindirCall, builder: Builder) -> TypedValue:
    """Deal the channels out: the first of each group, then the second of each."""
    x, groups = call.tensor(0), call.attribute("group")
    batch, channels, *sizes = x.shape
    grouped = builder.reshape(x, (batch, groups, channels // groups, *sizes))
    order = [0, 2, 1, *range(3, len(grouped.shape))]
    return builder.reshape(builder.transpose(grouped, order), x.shape)


@mindir_operator("DepthToSpace", takes=CHANNELS_FIRST)
def depth_to_space(call: MindirCall, builder: Builder) -> TypedValue:
    """Make channels into pixels."""
    _require_channels_first(call)
    return builder.add("DepthToSpace", [call.tensor(0)], blocksize=call.attribute("block_size"))


@mindir_operator("SpaceToDepth", takes=CHANNELS_FIRST)
def space_to_depth(call: MindirCall, builder: Builder) -> TypedValue:
    """Make pixels into channels."""
    _require_channels_first(call)
    return builder.add("SpaceToDepth", [call.tensor(0)], blocksize=call.attribute("block_size"))


def _require_channels_first(call: MindirCall) -> None:
    for name in CHANNELS_FIRST:
        call.require(name, call.attribute(name, "NCHW"))
