"""Layers without parameters that choose or place values: pools, padding, resizing, what only rearranges."""

from __future__ import annotations

from typing import Any

from .fault import Fault
from .kind import Kind

_OURS = "triport.reference_models.layers_torch."
_OURS_MINDSPORE = "triport.reference_models.layers_mindspore."


def _numbered(*classes: str, dimensions: tuple[int, ...] = (1, 2, 3)) -> tuple[str, ...]:
    """Return the names with `{}` for each number of dimensions."""
    return tuple(one.format(n) for one in classes for n in dimensions)


def _padded(pool: Any) -> bool:
    return any(pool.padding) if isinstance(pool.padding, tuple) else bool(pool.padding)


KINDS = (
    Kind(
        "max_pool",
        "max-pool",
        torch=(*_numbered("torch.nn.MaxPool{}d"), f"{_OURS}_SameMaxPool2d"),
        mindspore=(
            *_numbered("mindspore.nn.MaxPool{}d"),
            *("mindspore.nn.MaxPool2dExt", "mindspore.mint.nn.MaxPool2d"),
        ),
        onnx=("MaxPool",),
        faults=(Fault("ceil_mode", attributes={"ceil_mode": lambda mode: not mode}),),
    ),
    Kind(
        "average_pool",
        "average pool",
        torch=(*_numbered("torch.nn.AvgPool{}d"), f"{_OURS}_SameAvgPool2d"),
        mindspore=(
            *_numbered("mindspore.nn.AvgPool{}d", "mindspore.nn.AvgPool{}dExt"),
            *_numbered("mindspore.mint.nn.AvgPool{}d"),
        ),
        onnx=("AveragePool",),
        faults=(
            Fault(
                "zeros around counted, or not",
                attributes={"count_include_pad": lambda counted: not counted},
                where=_padded,
            ),
        ),
    ),
    Kind(
        "global_pool",
        "global pool",
        torch=(
            *_numbered("torch.nn.AdaptiveAvgPool{}d", "torch.nn.AdaptiveMaxPool{}d"),
            f"{_OURS}_GlobalAvgPool2d",
        ),
        mindspore=(
            *_numbered("mindspore.nn.AdaptiveAvgPool{}d", "mindspore.nn.AdaptiveMaxPool{}d"),
            *_numbered("mindspore.mint.nn.AdaptiveAvgPool{}d"),
            *_numbered("mindspore.mint.nn.AdaptiveMaxPool{}d", dimensions=(1, 2)),
            f"{_OURS_MINDSPORE}_GlobalAvgPool2d",
        ),
        onnx=("ReduceMean", "GlobalAveragePool", "GlobalMaxPool"),
        faults=(
            Fault("maximum for average", instead="global_maximum"),
            Fault("without the last row and column", instead="mean_without_last"),
        ),
    ),
    Kind(
        "pad",
        "padding",
        torch=_numbered(
            "torch.nn.ZeroPad{}d",
            "torch.nn.ConstantPad{}d",
            "torch.nn.ReflectionPad{}d",
            "torch.nn.ReplicationPad{}d",
            "torch.nn.CircularPad{}d",
        ),
        mindspore=(
            *("mindspore.nn.Pad", "mindspore.nn.ZeroPad2d"),
            *_numbered(
                "mindspore.nn.ConstantPad{}d",
                "mindspore.nn.ReflectionPad{}d",
                "mindspore.nn.ReplicationPad{}d",
            ),
            *_numbered(
                "mindspore.mint.nn.ZeroPad{}d",
                "mindspore.mint.nn.ConstantPad{}d",
                "mindspore.mint.nn.ReflectionPad{}d",
                "mindspore.mint.nn.ReplicationPad{}d",
            ),
        ),
        onnx=("Pad",),
        faults=(
            Fault(
                "on the other side",
                attributes={"padding": lambda padding: padding[::-1]},
                where=lambda pad: pad.padding != pad.padding[::-1],
            ),
            Fault("of another value", attributes={"value": lambda value: value + 1}),
        ),
    ),
    Kind(
        "upsample",
        "upsampling",
        torch=("torch.nn.Upsample", "torch.nn.UpsamplingBilinear2d", "torch.nn.UpsamplingNearest2d"),
        mindspore=(
            *("mindspore.nn.Upsample", "mindspore.mint.nn.Upsample"),
            *("mindspore.mint.nn.UpsamplingBilinear2d", "mindspore.mint.nn.UpsamplingNearest2d"),
        ),
        onnx=("Resize", "Upsample"),
        faults=(
            Fault(
                "corners aligned, or not",
                attributes={"align_corners": lambda aligned: not aligned},
                where=lambda upsample: upsample.mode in ("linear", "bilinear", "bicubic", "trilinear"),
            ),
            Fault(
                "nearest",
                attributes={"mode": lambda _: "nearest", "align_corners": lambda _: None},
                where=lambda upsample: upsample.mode != "nearest",
            ),
        ),
    ),
    Kind(
        "pixel_shuffle",
        "pixel shuffle",
        torch=("torch.nn.PixelShuffle",),
        mindspore=("mindspore.nn.PixelShuffle", "mindspore.mint.nn.PixelShuffle"),
        onnx=("DepthToSpace",),
        faults=(Fault("depth first", instead="depth_first_shuffle"),),
    ),
    Kind(
        "pixel_unshuffle",
        "pixel unshuffle",
        torch=("torch.nn.PixelUnshuffle",),
        mindspore=("mindspore.nn.PixelUnshuffle",),
        onnx=("SpaceToDepth",),
    ),
    Kind(
        "channel_shuffle",
        "channel shuffle",
        torch=("torch.nn.ChannelShuffle",),
        mindspore=("mindspore.nn.ChannelShuffle",),
        faults=(Fault("left out", instead="identity"),),
    ),
    Kind(
        "dropout",
        "dropout",
        torch=(
            *("torch.nn.Dropout", *_numbered("torch.nn.Dropout{}d")),
            *("torch.nn.AlphaDropout", "torch.nn.FeatureAlphaDropout"),
        ),
        mindspore=(
            *("mindspore.nn.Dropout", "mindspore.nn.DropoutExt", *_numbered("mindspore.nn.Dropout{}d")),
            *("mindspore.nn.Dropout2dExt", "mindspore.mint.nn.Dropout", "mindspore.mint.nn.Dropout2d"),
        ),
        onnx=("Dropout",),
        faults=(Fault("left on", attributes={"training": lambda _: True}),),
    ),
    Kind(
        "identity",
        "identity",
        torch=("torch.nn.Identity",),
        mindspore=("mindspore.nn.Identity", "mindspore.mint.nn.Identity"),
        onnx=("Identity",),
    ),
    Kind(
        "flatten",
        "flatten",
        torch=("torch.nn.Flatten", "torch.nn.Unflatten"),
        mindspore=("mindspore.nn.Flatten", "mindspore.nn.Unflatten", "mindspore.mint.nn.Flatten"),
        onnx=("Flatten", "Reshape"),
    ),
    Kind(
        "patches",
        "patches",
        torch=("torch.nn.Unfold", "torch.nn.Fold"),
        mindspore=("mindspore.nn.Unfold", "mindspore.mint.nn.Unfold", "mindspore.mint.nn.Fold"),
    ),
    Kind(
        "sequence",
        "sequence",
        torch=("torch.nn.Sequential",),
        mindspore=("mindspore.nn.SequentialCell",),
    ),
    Kind(
        "collection",
        "collection",
        torch=(
            *("torch.nn.ModuleList", "torch.nn.ModuleDict"),
            *("torch.nn.ParameterList", "torch.nn.ParameterDict"),
        ),
        mindspore=("mindspore.nn.CellList", "mindspore.nn.CellDict"),
    ),
)
