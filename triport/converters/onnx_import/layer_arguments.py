"""What the constructors of layers call their arguments."""

from __future__ import annotations

from typing import Any

_CHANNELS = ("in_channels", "out_channels", "kernel_size")
# what the positions are
POSITIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _CHANNELS),
    **dict.fromkeys(("ConvTranspose1d", "ConvTranspose2d", "Conv2dTranspose"), _CHANNELS),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "PReLU"), ("channels",)),
    **dict.fromkeys(("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"), ("channels",)),
    **dict.fromkeys(("Linear", "Dense"), ("in_features", "out_features")),
    **dict.fromkeys(("LayerNorm", "RMSNorm"), ("features",)),
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), ("kernel_size", "stride")),
    **dict.fromkeys(("max_pool2d", "avg_pool2d"), ("", "kernel_size", "stride")),
    "GroupNorm": ("groups", "channels"),
    "Embedding": ("count", "features"),
    "chunk": ("parts",),
    "range": ("count",),
}
# what a keyword is where it is left out
DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "output_padding": 0,
    "dilation": 1,
    "groups": 1,
    "group": 1,
    "bias": True,
    "has_bias": False,
    "eps": 1e-5,
}
IN_ORDER = (
    "stride",
    "pad_mode",
    "padding",
    "output_padding",
    "dilation",
    "groups",
    "group",
    "bias",
    "has_bias",
)
# an argument of that name has its default where a class is made, and is given by keyword
PLAIN = ("stride", "padding", "dilation", "groups", "group", "bias", "has_bias")
GROUPS = ("groups", "group")
INTO = ("in_channels", "in_features")
OUT_OF = ("out_channels", "out_features")
_WIDTHS = (*INTO, *OUT_OF, "channels", "features", "hidden_channels", "hidden_features")
_ALSO = ("size", *GROUPS, "")  # a depthwise convolution has as many groups as channels


def is_width(wanted: str) -> bool:
    """Return whether an argument of that name is a number of channels or features, or may be."""
    return wanted.rstrip("0123456789") in (*_WIDTHS, *_ALSO)
