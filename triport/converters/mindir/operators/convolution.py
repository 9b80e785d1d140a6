"""Convolutions and transposed convolutions, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.values import TypedValue

from . import mindir_operator

SAME = ("same", "SAME")
VALID = ("valid", "VALID")
PAD = ("pad", "PAD")
FORMATS = {"format": ("NCHW", "NCDHW"), "mode": (1,)}
OTHER_RANK = "{name} is {values}, expected (1, 1, height, width)"
TOO_SMALL = "the result of size {shape} is smaller than the convolution's"


@mindir_operator(
    *("Conv2D", "Conv3D"), takes={**FORMATS, "pad_mode": (*PAD, *SAME, *VALID)}, refuses=(OTHER_RANK,)
)
def convolve(call: MindirCall, builder: Builder) -> TypedValue:
    """Convolve (N, C, H, W) with a (out, in / groups, height, width) kernel, or with one axis more.

    pad_mode "same" pads as TensorFlow does, the odd one at the end: SAME_UPPER, for any size.
    """
    x, weight = builder.guess_spread(call.tensor(0)), call.tensor(1)
    rank = len(x.shape) - 2
    call.require("format", call.attribute("format", "NCHW"))
    call.require("mode", call.attribute("mode", 1))
    call.ignore("out_channel", why="the weight's shape says it")
    call.ignore("groups", "strides", "dilations", why="the same as group, stride, dilation")
    call.ignore("pad_list", why="pad, worked out for the traced size")
    attributes: dict[str, Any] = {
        "kernel_shape": call.attribute("kernel_size"),
        "strides": _spatial(call, "stride", rank),
        "dilations": _spatial(call, "dilation", rank),
        "group": call.attribute("group", 1),
    }
    pad_mode = call.attribute("pad_mode")
    pads = call.attribute("pad")
    call.require("pad_mode", pad_mode)
    if pad_mode in SAME and set(attributes["dilations"]) == {1}:
        if any(size > 1 for size in attributes["kernel_shape"]):
            attributes["auto_pad"] = "SAME_UPPER"
    elif pad_mode in SAME:  # ONNX Runtime refuses SAME_UPPER here: right for the traced size alone
        attributes["pads"] = _same_pads(x.shape[2:], **attributes)
    elif pad_mode in PAD:
        attributes["pads"] = [*pads[::2], *pads[1::2]]
    return builder.add("Conv", [x, weight], **attributes)


def _spatial(call: MindirCall, name: str, rank: int) -> tuple[int, ...]:
    """Return the last values of (height, width) or (1, 1, height, width)."""
    values = tuple(call.attribute(name))
    if len(values) not in (rank, rank + 2) or set(values[:-rank]) - {1}:
        raise call.unsupported(OTHER_RANK, name=name, values=values)
    return values[-rank:]


def _same_pads(
    sizes: Sequence[int],
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> list[int]:
    begins, ends = [], []
    for size, kernel, stride, dilation in zip(sizes, kernel_shape, strides, dilations, strict=True):
        needed = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size
        begins.append(max(needed, 0) // 2)
        ends.append(max(needed, 0) - begins[-1])
    return begins + ends


@mindir_operator("Conv1DExt", "Conv2DExt", "Conv3DExt")
def convolve_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Convolve as `mint` does; the bias may be None."""
    strides, pads, dilations, group = (call.constant(index) for index in range(3, 7))
    return _convolve_ext(call, builder, strides, pads, dilations, group)


@mindir_operator("Convolution")
def convolution(call: MindirCall, builder: Builder) -> TypedValue:
    """Do the same, or its transpose."""
    strides, pads, dilations, transposed, output_padding, group = (call.constant(i) for i in range(3, 9))
    if not transposed:
        return _convolve_ext(call, builder, strides, pads, dilations, group)
    return _transposed_ext(call, builder, strides, pads, output_padding, group, dilations)


@mindir_operator("ConvTranspose2D")
def convolve_transposed_ext(call: MindirCall, builder: Builder) -> TypedValue:
    """Spread each pixel with the kernel, as `mint` does; the bias may be None."""
    strides, pads, output_padding, group, dilations = (call.constant(index) for index in range(3, 8))
    return _transposed_ext(call, builder, strides, pads, output_padding, group, dilations)


def _inputs(call: MindirCall) -> list[TypedValue]:
    bias = [] if call.entry(2) is None else [call.tensor(2)]
    return [call.tensor(0), call.tensor(1), *bias]


def _convolve_ext(
    call: MindirCall, builder: Builder, strides: Any, pads: Any, dilations: Any, group: int
) -> TypedValue:
    inputs = _inputs(call)
    rank = len(inputs[0].shape) - 2
    pads = _each(pads, rank)
    return builder.add(
        "Conv",
        inputs,
        kernel_shape=inputs[1].shape[2:],
        strides=_each(strides, rank),
        dilations=_each(dilations, rank),
        group=group,
        pads=pads + pads,
    )


def _transposed_ext(
    call: MindirCall,
    builder: Builder,
    strides: Any,
    pads: Any,
    output_padding: Any,
    group: int,
    dilations: Any,
) -> TypedValue:
    inputs = _inputs(call)
    rank = len(inputs[0].shape) - 2
    pads = _each(pads, rank)
    return builder.add(
        "ConvTranspose",
        inputs,
        kernel_shape=inputs[1].shape[2:],
        strides=_each(strides, rank),
        dilations=_each(dilations, rank),
        group=group,
        pads=pads + pads,
        output_padding=_each(output_padding, rank),
    )


def _each(values: Any, rank: int) -> list[int]:
    """Return a number, or a tuple of one, for each of the axes."""
    values = [values] if isinstance(values, int) else list(values)
    return values * rank if len(values) == 1 else values


@mindir_operator(
    *("Conv2DTranspose", "Conv2DBackpropInput", "Conv3DTranspose"),
    takes=FORMATS,
    refuses=(OTHER_RANK, TOO_SMALL),
)
def convolve_transposed(call: MindirCall, builder: Builder) -> TypedValue:
    """Spread each pixel with the kernel; the padding is cut off the result."""
    x, weight = call.tensor(0), call.tensor(1)
    rank = len(x.shape) - 2
    call.require("format", call.attribute("format", "NCHW"))
    call.require("mode", call.attribute("mode", 1))
    call.ignore("out_channel", "in_channel", why="the weight's shape says it")
    call.ignore("groups", "strides", "dilations", why="the same as group, stride, dilation")
    call.ignore("pad", "pad_mode", why="pad_list, for the traced size")
    call.ignore("input_size", "output_padding", why="the result's size says it")
    if call.num_inputs > 2:
        call.constant(2)  # the result's size
    kernel_shape = call.attribute("kernel_size")
    strides, dilations = (_spatial(call, name, rank) for name in ("stride", "dilation"))
    pads = call.attribute("pad_list")
    begins, ends = list(pads[::2]), list(pads[1::2])
    extra = []
    sizes = zip(x.shape[2:], call.type.shape[2:], kernel_shape, strides, dilations, begins, ends, strict=True)
    for before, after, kernel, stride, dilation, begin, end in sizes:
        extra.append(after - ((before - 1) * stride + dilation * (kernel - 1) + 1 - begin - end))
    if any(size < 0 for size in extra):
        raise call.unsupported(TOO_SMALL, shape=call.type.shape)
    attributes: dict[str, Any] = {"output_padding": extra} if any(extra) else {}
    return builder.add(
        "ConvTranspose",
        [x, weight],
        kernel_shape=kernel_shape,
        strides=strides,
        dilations=dilations,
        group=call.attribute("group", 1),
        pads=begins + ends,
        **attributes,
    )
