"""Resizing of images: the spatial axes of (N, C, ...)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from triport.converters.mindir.builder import Builder
from triport.converters.mindir.call import MindirCall
from triport.converters.mindir.graph import TensorType
from triport.converters.mindir.values import TypedValue, check_size

from . import mindir_operator

SAME_SIZE = "the scales {scales} leave a size as it is; give the size"
OTHER_SIZES = "scales {scales} do not give the sizes {after} from {before}"
VOLUME = "in three dimensions it needs opset 20 or later"
VOLUME_GRID = "it is in three dimensions"

# CoordinateTransformationMode, as the primitive functions number it
COORDINATES = {0: "asymmetric", 1: "align_corners", 2: "half_pixel"}


@mindir_operator("ResizeBilinearV2")
def resize_bilinear(call: MindirCall, builder: Builder) -> TypedValue:
    """Interpolate linearly between the nearest pixels."""
    call.constant(1)  # the size, which the result has
    mode = _coordinates(bool(call.constant(2)), bool(call.constant(3)))
    return _resize(call, builder, "linear", mode)


@mindir_operator("ResizeLinear1D", takes={"coordinate_transformation_mode": tuple(COORDINATES)})
def resize_linear(call: MindirCall, builder: Builder) -> TypedValue:
    """Interpolate linearly along the last axis."""
    call.constant(1)
    mode = call.constant(2)
    call.require("coordinate_transformation_mode", mode)
    return _resize(call, builder, "linear", COORDINATES[mode])


@mindir_operator("ResizeBicubic")
def resize_bicubic(call: MindirCall, builder: Builder) -> TypedValue:
    """Interpolate with a cubic kernel, weights outside the image left out."""
    call.constant(1)
    align_corners, half_pixel = bool(call.constant(2)), bool(call.constant(3))
    mode = _coordinates(align_corners, half_pixel)
    if half_pixel:
        return _resize(call, builder, "cubic", mode, cubic_coeff_a=-0.5, exclude_outside=1)
    return _resize(call, builder, "cubic", mode, cubic_coeff_a=-0.75)


@mindir_operator(
    *("UpsampleLinear1D", "UpsampleBilinear2D", "UpsampleTrilinear3D", "UpsampleBicubic2D"),
    refuses=(SAME_SIZE, OTHER_SIZES),
)
def upsample(call: MindirCall, builder: Builder) -> TypedValue:
    """Interpolate as `mint` does; a size or a scale, and align_corners."""
    call.constant(1)
    scales, align_corners = call.constant(2), bool(call.constant(3))
    mode = "align_corners" if align_corners else "half_pixel"
    given = None if align_corners else scales
    if call.primitive == "UpsampleBicubic2D":
        sizes = zip(call.tensor(0).shape[2:], call.type.shape[2:], given or [], strict=False)
        if any(before == after and scale != 1 for before, after, scale in sizes):
            raise call.unsupported(SAME_SIZE, scales=given)
        return _resize(call, builder, "cubic", mode, given, cubic_coeff_a=-0.75)
    return _resize(call, builder, "linear", mode, given)


def _coordinates(align_corners: bool, half_pixel: bool) -> str:
    if align_corners:
        return "align_corners"
    return "half_pixel" if half_pixel else "asymmetric"


@mindir_operator("ResizeNearestNeighbor", "ResizeNearestNeighborV2")
def resize_nearest(call: MindirCall, builder: Builder) -> TypedValue:
    """Take the nearest pixel."""
    call.constant(1)
    align_corners, half_pixel = bool(call.constant(2)), bool(call.constant(3))
    x = call.tensor(0)
    picks = [
        _nearest(before, after, align_corners, half_pixel)
        for before, after in zip(x.shape[2:], call.type.shape[2:], strict=True)
    ]
    return _pick(call, builder, picks)


@mindir_operator("UpsampleNearest1D", "UpsampleNearest2D", "UpsampleNearest3D")
def upsample_nearest(call: MindirCall, builder: Builder) -> TypedValue:
    """Take the nearest pixel, as `mint` does."""
    call.constant(1)
    x, scales = call.tensor(0), call.constant(2)
    sizes = zip(x.shape[2:], call.type.shape[2:], strict=True)
    if scales is None:
        return _pick(call, builder, [_nearest(before, after, False, False) for before, after in sizes])
    scaled = zip(sizes, scales, strict=True)
    return _pick(call, builder, [_nearest_at_scale(*size, scale) for size, scale in scaled])


def _nearest_at_scale(before: int, after: int, scale: float) -> list[int]:
    """Return the source index of each target index; a scale that gives no whole size counts as it is."""
    check_size(before)
    check_size(after)
    if before == after:
        return list(range(before))
    source = np.floor(np.arange(after, dtype=np.float32) * (np.float32(1) / np.float32(scale)))
    return np.minimum(source, before - 1).astype(np.int64).tolist()


def _nearest(before: int, after: int, align_corners: bool, half_pixel: bool) -> list[int]:
    """Return the source index of each target index, in the float32 that kernels compute with."""
    check_size(before)
    check_size(after)
    index = np.arange(after, dtype=np.float32)
    if align_corners and after > 1:
        scale = np.float32(before - 1) / np.float32(after - 1)
        source = np.floor(index * scale + np.float32(0.5))
    else:
        scale = np.float32(before) / np.float32(after)
        source = np.floor((index + np.float32(0.5 if half_pixel else 0)) * scale)
    return np.minimum(source, before - 1).astype(np.int64).tolist()


def _pick(call: MindirCall, builder: Builder, picks: Sequence[Sequence[int]]) -> TypedValue:
    """Repeat pixels: one Resize for whole factors, else one Gather for each axis."""
    x = call.tensor(0)
    factors = [after // before for before, after in zip(x.shape[2:], call.type.shape[2:], strict=True)]
    whole = [
        [source for source in range(before) for _ in range(factor)]
        for before, factor in zip(x.shape[2:], factors, strict=True)
    ]
    if list(map(list, picks)) == whole:
        return _resize(call, builder, "nearest", "asymmetric", nearest_mode="floor")
    for axis, pick in enumerate(picks, 2):
        if list(pick) != list(range(x.shape[axis])):
            type_ = TensorType(x.type.elem_type, (*x.shape[:axis], len(pick), *x.shape[axis + 1 :]))
            x = builder.add("Gather", [x, builder.constant(pick)], type_, axis=axis)
    return x


def _resize(
    call: MindirCall,
    builder: Builder,
    mode: str,
    coordinates: str,
    given: Sequence[float] | None = None,
    **attributes: Any,
) -> TypedValue:
    """Write a Resize: by the scales that were given, else by those that the sizes have, else by sizes."""
    x, after = call.tensor(0), call.type.shape
    if x.shape == after:
        return x
    floats = onnx.TensorProto.FLOAT
    empty = builder.constant([], floats) if builder.opset < 13 else None
    if given is None:
        scales = np.array(after, np.float32) / np.array(x.shape, np.float32)
    else:
        scales = np.array([1, 1, *map(_fit_scale, x.shape[2:], after[2:], given)], np.float32)
    attributes.update(mode=mode, coordinate_transformation_mode=coordinates)
    if all(
        math.floor(before * float(scale)) == size
        for before, scale, size in zip(x.shape, scales, after, strict=True)
    ):
        return builder.add("Resize", [x, empty, builder.constant(scales, floats)], **attributes)
    if given is not None:
        raise call.unsupported(OTHER_SIZES, scales=given, after=after[2:], before=x.shape[2:])
    # whole sizes: those of batch and channels are taken from the input
    shape_type = TensorType(onnx.TensorProto.INT64, (len(x.shape),))
    shape = builder.add("Shape", [x], shape_type)
    bounds = [builder.constant(bound) for bound in ([0], [2], [0])]
    leading = builder.add("Slice", [shape, *bounds], TensorType(onnx.TensorProto.INT64, (2,)))
    sizes = builder.add("Concat", [leading, builder.constant(after[2:])], shape_type, axis=0)
    no_scales = builder.constant([], floats) if builder.opset < 13 else None
    return builder.add("Resize", [x, empty, no_scales, sizes], **attributes)


def _fit_scale(before: int, after: int, scale: float) -> np.float32:
    """Return the scale, moved by a rounding where its product with the size would round to another size."""
    if before == after:
        return np.float32(1)  # kernels leave such an axis as it is
    fitted = np.float32(scale)
    for _ in range(4):
        found = {math.floor(before * float(fitted)), int(np.float32(before) * fitted)}
        if found == {after}:
            break
        fitted = np.nextafter(fitted, np.float32(0 if max(found) > after else np.inf))
    return fitted


@mindir_operator(
    *("GridSampler2D", "GridSampler3D"),
    lowest_opset=16,
    takes={
        "interpolation_mode": (0, 1, "bilinear", "nearest"),
        "padding_mode": (0, 1, 2, "zeros", "border", "reflection"),
    },
    refuses=(VOLUME,),
)
def grid_sample(call: MindirCall, builder: Builder) -> TypedValue:
    """Take pixels at given places, between -1 and 1."""
    x, grid, mode, padding = call.tensor(0), call.tensor(1), call.constant(2), call.constant(3)
    call.require("interpolation_mode", mode)
    call.require("padding_mode", padding)
    linear = "linear" if builder.opset >= 20 else "bilinear"
    if len(x.shape) != 4 and builder.opset < 20:
        raise call.unsupported(VOLUME)
    return builder.add(
        "GridSample",
        [x, grid],
        mode=linear if mode in (0, "bilinear") else "nearest",
        padding_mode=("zeros", "border", "reflection")[padding] if isinstance(padding, int) else padding,
        align_corners=int(call.constant(4)),
    )


@mindir_operator("AffineGrid", refuses=(VOLUME_GRID,))
def affine_grid(call: MindirCall, builder: Builder) -> TypedValue:
    """Return where each pixel of a turned and moved image lies, between -1 and 1."""
    theta, size, align_corners = call.tensor(0), call.constant(1), bool(call.attribute("align_corners"))
    if len(size) != 4:
        raise call.unsupported(VOLUME_GRID)
    check_size(*size[2:])
    height, width = (_spread_evenly(count, align_corners) for count in size[2:])
    y, x = np.meshgrid(height, width, indexing="ij")
    points = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
    turned = builder.transpose(theta, [0, 2, 1])
    shape = (theta.shape[0], len(points), 2)
    moved = builder.add(
        "MatMul",
        [builder.constant(points, theta.type.elem_type), turned],
        TensorType(theta.type.elem_type, shape),
    )
    return builder.reshape(moved, (theta.shape[0], *size[2:], 2))


def _spread_evenly(count: int, align_corners: bool) -> np.ndarray:
    """Return the places of pixels between -1 and 1: their corners, or their centres."""
    if align_corners:
        return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return (np.arange(count) * 2 + 1) / count - 1
