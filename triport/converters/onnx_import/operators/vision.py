"""Operators of images: sampling, regions, boxes."""

from __future__ import annotations

import ast
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both, pytorch
from .elementwise import f32

_MODES = {
    "linear": "bilinear",
    "bilinear": "bilinear",
    "cubic": "bicubic",
    "bicubic": "bicubic",
    "nearest": "nearest",
}


@both("GridSample")
def grid_sample(call: Call) -> ast.expr:
    """Pixels at the places of a grid."""
    mode = call.attribute("mode", "linear" if call.version >= 20 else "bilinear")
    padding, corners = call.attribute("padding_mode", "zeros"), call.attribute("align_corners", 0)
    if mode not in _MODES or padding not in ("zeros", "border", "reflection"):
        call.refuse("attribute mode or padding_mode is unknown")
    if _MODES[mode] == "bicubic" and call.rank(0) != 4:
        call.refuse("bicubic of other than images")
    if call.target == "mindspore":
        if call.dtype(0) not in ("float32", "float64"):
            call.refuse(f"of {call.dtype(0)}")
        if _MODES[mode] == "bilinear" and call.dtype(0) == "float32" and padding != "reflection":
            template = "ops.grid_sample(x, g, m, p, c)"
        else:  # its kernel has no bicubic, and its nearest takes other pixels half-way between two
            template = f"{ast.unparse(call.function('grid_sample'))}(x, g, m, p, c)"
        return code(template, x=call.tensor(0), g=call.tensor(1), m=_MODES[mode], p=padding, c=bool(corners))
    return code(
        "F.grid_sample(x, g, mode=m, padding_mode=p, align_corners=c)",
        x=call.tensor(0),
        g=call.tensor(1),
        m=_MODES[mode],
        p=padding,
        c=bool(corners),
    )


@pytorch("AffineGrid")
def affine_grid(call: Call) -> ast.expr:
    """The places of an affine map."""
    corners = call.attribute("align_corners", 0)
    return code(
        "F.affine_grid(t, s, align_corners=c)", t=call.tensor(0), s=call.int_tuple(1), c=bool(corners)
    )


_FOLD = {
    "pytorch": "F.fold(x, n, k, dilation=d, padding=p, stride=s)",
    "mindspore": "ops.fold(x, mindspore.Tensor(n, mindspore.int32), k, d, p, s)",
}


@both("Col2Im")
def col2im(call: Call) -> ast.expr:
    """Columns added back into an image."""
    rank = call.size(1, 0)
    dilations = call.attribute("dilations", [1] * (rank or 2))
    pads = call.attribute("pads", [0] * 2 * (rank or 2))
    strides = call.attribute("strides", [1] * (rank or 2))
    if rank == 2 and pads[:2] == pads[2:]:
        return code(
            _FOLD[call.target],
            x=call.tensor(0),
            n=call.int_tuple(1),
            k=call.int_tuple(2),
            d=tuple(dilations),
            p=tuple(pads[:2]),
            s=tuple(strides),
        )
    return code(
        "f(x, n, k, d, p, s)",
        f=call.function("columns_to_image"),
        x=call.tensor(0),
        n=call.int_tuple(1),
        k=call.int_tuple(2),
        d=tuple(dilations),
        p=tuple(pads),
        s=tuple(strides),
    )


@both("NonMaxSuppression")
def non_max_suppression(call: Call) -> ast.expr:
    """The best boxes that do not overlap, of each class of each image."""
    centres = call.attribute("center_point_box", 0)
    return code(
        "f(b, s, n, i, t, centres=c)",
        f=call.function("non_max_suppression"),
        b=call.tensor(0),
        s=call.tensor(1),
        n=call.scalar(2) if call.has(2) else 0,
        i=call.scalar(3) if call.has(3) else 0.0,
        t=call.scalar(4) if call.has(4) else None,
        c=bool(centres),
    )


@pytorch("RoiAlign")
def roi_align(call: Call) -> ast.expr:
    """Regions pooled at sampled points."""
    mode = call.attribute("mode", "avg")
    default = "half_pixel" if call.version >= 16 else "output_half_pixel"
    transform = call.attribute("coordinate_transformation_mode", default) if call.version >= 16 else default
    height, width = call.attribute("output_height", 1), call.attribute("output_width", 1)
    ratio, scale = call.attribute("sampling_ratio", 0), f32(call.attribute("spatial_scale", 1.0))
    if mode not in ("avg", "max") or transform not in ("half_pixel", "output_half_pixel"):
        call.refuse("attribute mode is unknown")
    if mode == "max":
        call.refuse("mode max, which implementations do not agree on")
    return code(
        "f(x, r, i, h, w, ratio=n, scale=s, offset=o)",
        f=call.function("roi_align"),
        x=call.tensor(0),
        r=call.tensor(1),
        i=call.tensor(2),
        h=height,
        w=width,
        n=ratio,
        s=scale,
        o=0.5 if transform == "half_pixel" else 0.0,
    )


@both("CenterCropPad")
def center_crop_pad(call: Call) -> ast.expr:
    """Cut or padded around the middle."""
    rank = call.rank(0)
    axes: Any = call.attribute("axes", None)
    axes = list(range(rank)) if axes is None else [call.axis(a, rank) for a in axes]
    return code(
        "f(x, s, a)", f=call.function("center_crop_pad"), x=call.tensor(0), s=call.int_tuple(1), a=tuple(axes)
    )
