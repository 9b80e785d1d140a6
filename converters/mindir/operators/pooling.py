"""Pooling."""

from __future__ import annotations

from typing import Any

from converters.mindir.emit import Builder, Call, Value
from . import mindir_operator

# PadMode, as the primitive functions number it
PAD_MODES = {0: "PAD", 1: "SAME", 2: "VALID"}


@mindir_operator("MaxPool")
def max_pool(call: Call, builder: Builder) -> Value:
    """Take the maximum over a window; "same" padding never wins."""
    call.require("format", call.attribute("format"), "NCHW")
    kernel = call.attribute("kernel_size")
    strides = call.attribute("strides")
    return _pool(call, builder, "MaxPool", kernel[2:], strides[2:], call.attribute("pad_mode"))


@mindir_operator("AvgPool")
def avg_pool(call: Call, builder: Builder) -> Value:
    """Average over a window; "same" padding is not counted."""
    kernel, strides, pad_mode, format_ = (call.constant(index) for index in range(1, 5))
    call.require("format", format_, 0, "NCHW")
    return _pool(call, builder, "AveragePool", kernel[-2:], strides[-2:], PAD_MODES.get(pad_mode, pad_mode))


def _pool(call: Call, builder: Builder, op_type: str, kernel: Any, strides: Any, pad_mode: str) -> Value:
    call.require("pad_mode", pad_mode, "SAME", "VALID")
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if pad_mode == "SAME":
        attributes["auto_pad"] = "SAME_UPPER"
    return builder.add(op_type, [call.tensor(0)], **attributes)
