"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converters.mindir.builder import Builder, Call, Value

from . import mindir_operator

SAME = ("same", "SAME")
VALID = ("valid", "VALID")


@mindir_operator("Conv2D")
def conv2d(call: Call, builder: Builder) -> Value:
    """Convolve (N, C, H, W) with a (out, in / groups, height, width) kernel.

    pad_mode "same" pads as TensorFlow does, the odd one at the end: SAME_UPPER, for any size.
    """
    x, weight = call.tensor(0), call.tensor(1)
    call.require("format", call.attribute("format", "NCHW"), "NCHW")
    call.require("mode", call.attribute("mode", 1), 1)
    call.ignore("out_channel", why="the weight's shape says it")
    call.ignore("groups", why="the same as group")
    call.ignore("pad_list", why="pad, worked out for the traced size")
    attributes: dict[str, Any] = {
        "kernel_shape": call.attribute("kernel_size"),
        "strides": _spatial(call, "stride"),
        "dilations": _spatial(call, "dilation"),
        "group": call.attribute("group", 1),
    }
    pad_mode = call.attribute("pad_mode")
    top, bottom, left, right = call.attribute("pad")
    call.require("pad_mode", pad_mode, "pad", *SAME, *VALID)
    if pad_mode in SAME and set(attributes["dilations"]) == {1}:
        if any(size > 1 for size in attributes["kernel_shape"]):
            attributes["auto_pad"] = "SAME_UPPER"
    elif pad_mode in SAME:  # ONNX Runtime refuses SAME_UPPER here: right for the traced size alone
        attributes["pads"] = _same_pads(x.shape[2:], **attributes)
    elif pad_mode == "pad":
        attributes["pads"] = [top, left, bottom, right]
    return builder.add("Conv", [x, weight], **attributes)


def _spatial(call: Call, name: str) -> tuple[int, int]:
    """Return the last two of (1, 1, height, width)."""
    values = call.attribute(name)
    if len(values) != 4 or values[:2] != (1, 1):
        raise call.unsupported(f"{name} is {values}, expected (1, 1, height, width)")
    return values[2:]


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
