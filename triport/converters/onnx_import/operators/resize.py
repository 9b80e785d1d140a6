"""Resize and its forerunner Upsample."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.resizing import resize_matrix
from triport.converters.onnx_import.values import Known, Variable

from . import mindspore, pytorch
from .elementwise import f32


def _plan(call: Call) -> tuple[list[int], list[float], list[int | None], dict[str, Any]]:
    """Return the axes that are resized, their scales and sizes, and how."""
    op = call.node.op_type
    mode = call.attribute("mode", "nearest")
    how: dict[str, Any] = {"mode": mode, "transform": "half_pixel", "nearest": "round_prefer_floor"}
    sizes: Any = None
    rank = call.rank(0)
    axes = list(range(rank))
    if op == "Upsample":
        how |= {"transform": "asymmetric", "nearest": "floor"}
        scales: Any = call.attribute("scales") if call.version < 9 else [float(v) for v in call.array(1)]
    elif call.version == 10:
        how |= {"transform": "asymmetric", "nearest": "floor"}
        scales = [float(v) for v in call.array(1)]
    else:
        how["transform"] = call.attribute("coordinate_transformation_mode", "half_pixel")
        how["nearest"] = call.attribute("nearest_mode", "round_prefer_floor")
        how["cubic"] = f32(call.attribute("cubic_coeff_a", -0.75))
        how["exclude"] = call.attribute("exclude_outside", 0)
        how["extrapolation"] = f32(call.attribute("extrapolation_value", 0.0))
        if call.version >= 18:
            how["antialias"] = call.attribute("antialias", 0)
            how["policy"] = call.attribute("keep_aspect_ratio_policy", "stretch")
            stated = call.attribute("axes", None)
            axes = axes if stated is None else [call.axis(a, rank) for a in stated]
        how["roi"] = None
        if call.has(1):
            roi = call.constant(1) if call.has(1) else None
            if how["transform"] == "tf_crop_and_resize":
                if roi is None:
                    call.refuse("a region that is computed at run time")
                how["roi"] = [float(v) for v in roi]
        scales = call.constant(2) if call.has(2) else None
        if scales is not None and scales.size == 0:
            scales = None
        if scales is None and call.has(3):
            sizes = call.ints(3)
            if sizes is None:
                sizes = [int(v) for v in call.array(3)]
            if any(isinstance(n, ast.expr) for n in sizes):
                sizes = _checked_sizes(call, sizes, axes)
        if scales is None and sizes is None:
            call.refuse("scales that are computed at run time")
    return _resized(call, axes, scales, sizes, how)


def _checked_sizes(call: Call, sizes: list[Any], axes: list[int]) -> list[Any]:
    """A free size that is the input's own is not resized."""
    return [
        None if isinstance(n, ast.expr) and is_own(call, n, a) else n
        for n, a in zip(sizes, axes, strict=True)
    ]


def is_own(call: Call, size: ast.expr, axis: int) -> bool:
    """Return whether a size is that of the input along that axis: of itself, or of a tensor of its names."""
    if not (isinstance(size, ast.Subscript) and isinstance(size.slice, ast.Constant)):
        return False
    shape, owner = call.shape(0), size.value
    if shape is None or not isinstance(owner, ast.Attribute) or owner.attr != "shape":
        return False
    x = call.rep(0)
    if isinstance(x, Variable) and isinstance(owner.value, ast.Name) and owner.value.id == x.name:
        return bool(size.slice.value == axis)
    named = shape[axis]
    other = call.body.shape_of(owner.value)
    place = size.slice.value
    if not isinstance(named, str) or other is None or not isinstance(place, int) or place >= len(other):
        return False
    return not named.startswith("unk__") and other[place] == named


def _resized(
    call: Call, axes: list[int], scales: Any, sizes: Any, how: dict[str, Any]
) -> tuple[list[int], list[float], list[int | None], dict[str, Any]]:
    kept_axes: list[int] = []
    kept_scales: list[float] = []
    kept_sizes: list[int | None] = []
    ratios = []
    if sizes is not None:
        for axis, n in zip(axes, sizes, strict=True):
            own = call.size(0, axis)
            if n is not None and own is None:
                call.refuse("a free axis that gets a fixed size")
            ratios.append(1.0 if n is None else n / (own or 1))
        policy = how.get("policy", "stretch")
        if policy != "stretch":
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            sizes = [int(np.floor(ratio * (call.size(0, a) or 0) + 0.5)) for a in axes]
            ratios = [ratio] * len(axes)
    for i, axis in enumerate(axes):
        scale = float(scales[i]) if scales is not None else ratios[i]
        own = call.size(0, axis)
        size: int | None = (
            sizes[i]
            if sizes is not None
            else (int(np.floor(own * np.float32(scale))) if own is not None else None)
        )
        same = size == own if sizes is not None and size is not None else scale == 1.0
        roi = how.get("roi")
        if same and not (roi and (roi[i], roi[i + len(axes)]) != (0.0, 1.0)):
            continue
        kept_axes.append(axis)
        kept_scales.append(scale)
        kept_sizes.append(size)
    if how.get("roi"):
        count = len(axes)
        how["roi"] = [(how["roi"][axes.index(a)], how["roi"][axes.index(a) + count]) for a in kept_axes]
    return kept_axes, kept_scales, kept_sizes, how


def _is_computed(call: Call) -> bool:
    """Return whether scales, sizes or the region are known at run time only, or free axes are resized."""
    if any(call.has(i) and call.constant(i) is None for i in (1, 2)):
        return True
    scales = call.constant(2) if call.has(2) else None
    if scales is not None and scales.size:
        if call.rank(0) != scales.size or call.attribute("axes", None) is not None:
            return False
        plain = call.attribute("mode", "nearest") == "nearest" and all(float(s).is_integer() for s in scales)
        free = any(s != 1 and call.size(0, a) is None for a, s in enumerate(scales))
        return free and not plain
    if not call.has(3):
        return False
    sizes, axes = call.ints(3), call.attribute("axes", None) or range(call.rank(0))
    if sizes is None:
        return call.constant(3) is None
    pairs = list(zip(sizes, axes, strict=True))
    return any(call.size(0, a) is None if isinstance(n, int) else not is_own(call, n, a) for n, a in pairs)


def _listed(call: Call, index: int) -> ast.expr:
    return code("x.tolist()" if call.target == "pytorch" else "x.asnumpy().tolist()", x=call.tensor(index))


def _at_run_time(call: Call) -> ast.expr:
    """Return the resize by its definition, from scales and sizes that are computed."""
    rank = call.rank(0)
    axes = call.attribute("axes", None) if call.version >= 18 else None
    transform = call.attribute("coordinate_transformation_mode", "half_pixel")
    if call.target == "mindspore" and transform == "tf_crop_and_resize":
        call.refuse("a region that is computed at run time")
    has_scales = call.has(2) and call.shape(2) not in ([0],)
    policy = call.attribute("keep_aspect_ratio_policy", "stretch") if call.version >= 18 else "stretch"
    return code(
        "f(x, a, h, scales=s, sizes=n, policy=p)",
        f=call.function("resize"),
        x=call.tensor(0),
        a=tuple(range(rank)) if axes is None else tuple(call.axis(n, rank) for n in axes),
        h=_resampling(call, transform),
        s=_listed(call, 2) if has_scales else OMIT,
        n=OMIT if has_scales else call.int_tuple(3),
        p=OMIT if policy == "stretch" else policy,
    )


def _resampling(call: Call, transform: str) -> ast.expr:
    """Return the record of how each axis is resized, what is as usual left out."""
    given: dict[str, Any] = {
        "mode": (call.attribute("mode", "nearest"), "nearest"),
        "transform": (transform, "half_pixel"),
        "nearest": (call.attribute("nearest_mode", "round_prefer_floor"), "round_prefer_floor"),
        "cubic": (f32(call.attribute("cubic_coeff_a", -0.75)), -0.75),
        "exclude": (bool(call.attribute("exclude_outside", 0)), False),
        "antialias": (bool(call.attribute("antialias", 0)) if call.version >= 18 else False, False),
    }
    outside = f32(call.attribute("extrapolation_value", 0.0))
    if transform == "tf_crop_and_resize":
        given |= {"region": (_listed(call, 1) if call.has(1) else None, None), "outside": (outside, 0.0)}
    return code(
        f"f({', '.join(f'{key}={key}' for key in given)})",
        f=call.function("Resampling"),
        **{key: OMIT if value == usual else value for key, (value, usual) in given.items()},
    )


_MODES = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}


@pytorch("Resize", "Upsample", since=7)
def resize(call: Call) -> ast.expr:
    """By F.interpolate where it means the same, otherwise by a matrix along each axis."""
    if call.node.op_type == "Resize" and call.version >= 11 and _is_computed(call):
        return _at_run_time(call)
    axes, scales, sizes, how = _plan(call)
    x = call.tensor(0)
    if not axes:
        return x
    rank = call.rank(0)
    plain = not how.get("exclude") and not how.get("antialias") and how.get("cubic", -0.75) == -0.75
    spatial = list(range(2, rank))
    exact = how["transform"] == "align_corners" or all(
        s.is_integer() or (n is not None and call.size(0, a) is not None and n == s * (call.size(0, a) or 0))
        for a, s, n in zip(axes, scales, sizes, strict=True)
    )
    if plain and set(axes) <= set(spatial) and 3 <= rank <= 5 and exact and call.is_float(0):
        found = _interpolated(call, x, axes, scales, sizes, how, rank)
        if found is not None:
            return found
    return _by_matrices(call, x, axes, scales, sizes, how)


def _interpolated(
    call: Call,
    x: ast.expr,
    axes: list[int],
    scales: list[float],
    sizes: list[int | None],
    how: dict[str, Any],
    rank: int,
) -> ast.expr | None:
    mode, transform = how["mode"], how["transform"]
    by_axis = dict(zip(axes, zip(scales, sizes, strict=True), strict=True))
    if mode == "nearest":
        if not _is_repetition(scales, how):
            return None
        shown: Any = [int(by_axis[a][0]) if a in by_axis else 1 for a in range(2, rank)]
        factor = shown[0] if len(set(shown)) == 1 else tuple(shown)
        return code("F.interpolate(x, scale_factor=s)", x=x, s=factor)
    names = _MODES.get(mode)
    if (
        names is None
        or not names[rank - 3]
        or transform not in ("half_pixel", "align_corners", "pytorch_half_pixel")
    ):
        return None
    if transform == "pytorch_half_pixel" and any(n == 1 for n in sizes):
        return None
    final = [by_axis[a][1] if a in by_axis else call.size(0, a) for a in range(2, rank)]
    if all(n is not None for n in final):
        return code(
            "F.interpolate(x, n, mode=m, align_corners=c)",
            x=x,
            n=tuple(final),
            m=names[rank - 3],
            c=True if transform == "align_corners" else OMIT,
        )
    factors = tuple(by_axis[a][0] if a in by_axis else 1.0 for a in range(2, rank))
    if transform == "align_corners":
        return None
    return code(
        "F.interpolate(x, scale_factor=s, mode=m)",
        x=x,
        m=names[rank - 3],
        s=factors[0] if len(set(factors)) == 1 else factors,
    )


def _is_repetition(scales: list[float], how: dict[str, Any]) -> bool:
    """Return whether each place is repeated: the nearest of a whole number of new places for each old one."""
    transform, nearest = how["transform"], how["nearest"]
    floor = transform == "asymmetric" and nearest == "floor"
    centre = transform in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel") and nearest in (
        "round_prefer_floor",
        "round_prefer_ceil",
    )
    return how["mode"] == "nearest" and (floor or centre) and all(s.is_integer() for s in scales)


def _by_definition(
    call: Call, x: ast.expr, axes: list[int], scales: list[float], how: dict[str, Any]
) -> ast.expr:
    """Return the resize by its definition, of axes whose sizes are known at run time only."""
    if how.get("roi"):
        call.refuse("a region along a free axis")
    usual = {"mode": "nearest", "transform": "half_pixel", "nearest": "round_prefer_floor", "cubic": -0.75}
    given = {key: OMIT if how.get(key, value) == value else how[key] for key, value in usual.items()}
    given |= {key: True if how.get(key) else OMIT for key in ("exclude", "antialias")}
    record = code(f"f({', '.join(f'{key}={key}' for key in given)})", f=call.function("Resampling"), **given)
    function = call.function("resize")
    return code("f(x, a, h, scales=s)", f=function, x=x, a=tuple(axes), h=record, s=list(scales))


def _has_free(call: Call, axes: list[int], sizes: list[int | None]) -> bool:
    return any(call.size(0, a) is None or n is None for a, n in zip(axes, sizes, strict=True))


def _by_matrices(
    call: Call,
    x: ast.expr,
    axes: list[int],
    scales: list[float],
    sizes: list[int | None],
    how: dict[str, Any],
) -> ast.expr:
    """Return the product with a constant matrix along each axis, or rows by index if they only move."""
    if _has_free(call, axes, sizes):
        return _by_definition(call, x, axes, scales, how)
    for i, (axis, scale, size) in enumerate(zip(axes, scales, sizes, strict=True)):
        own = call.size(0, axis) or 0
        if size is None or own * size > 1 << 22:
            call.refuse("so large an image, in a way that the framework has not")
        matrix, outside = resize_matrix(own, size, scale, how, i)
        if outside.any() and how.get("extrapolation"):
            call.refuse("extrapolation_value beside 0")
        if how["mode"] == "nearest" and not outside.any():
            indices = call.body.constant(Known(matrix.argmax(axis=1)), "indices")
            x = code("x.index_select(a, i)", x=x, a=axis, i=indices)
            continue
        if not call.is_float(0):
            call.refuse(f"of {call.dtype(0)}")
        held = Known(matrix.astype(np.float32 if call.dtype(0) != "float64" else np.float64))
        weight = call.body.constant(held, "resize")
        if call.dtype(0) in ("float16", "bfloat16"):
            weight = code("w.to(d)", w=weight, d=call.dtype_name(call.dtype(0)))
        if axis == call.rank(0) - 1:
            x = code("x @ w.T", x=x, w=weight)
        elif axis == call.rank(0) - 2:
            x = code("w @ x", x=x, w=weight)
        else:
            x = code("(x.movedim(a, -1) @ w.T).movedim(-1, a)", x=x, w=weight, a=axis)
    return x


@mindspore("Resize", "Upsample", since=7)
def resize_mindspore(call: Call) -> ast.expr:
    """By a matrix along each axis: MindSpore's own phases are rounded."""
    if call.node.op_type == "Resize" and call.version >= 11 and _is_computed(call):
        return _at_run_time(call)
    axes, scales, sizes, how = _plan(call)
    x = call.tensor(0)
    if _is_repetition(scales, how):
        for axis, scale in zip(axes, scales, strict=True):
            x = code("ops.repeat_interleave(x, n, a)", x=x, n=int(scale), a=axis)
        return x
    if _has_free(call, axes, sizes):
        return _by_definition(call, x, axes, scales, how)
    for i, (axis, scale, size) in enumerate(zip(axes, scales, sizes, strict=True)):
        own = call.size(0, axis) or 0
        if size is None or own * size > 1 << 22:
            call.refuse("so large an image")
        matrix, outside = resize_matrix(own, size, scale, how, i)
        if outside.any():
            call.refuse("a region outside the image")
        if how["mode"] == "nearest":
            indices = call.body.constant(Known(matrix.argmax(axis=1)), "indices")
            x = code("ops.gather(x, i, a)", x=x, i=indices, a=axis)
            continue
        if call.dtype(0) != "float32":
            call.refuse(f"of {call.dtype(0)}")
        weight = call.body.constant(Known(matrix.astype(np.float32)), "resize")
        if axis == call.rank(0) - 1:
            x = code("ops.matmul(x, w.T)", x=x, w=weight)
        elif axis == call.rank(0) - 2:
            x = code("ops.matmul(w, x)", x=x, w=weight)
        else:
            x = code("ops.movedim(ops.matmul(ops.movedim(x, a, -1), w.T), -1, a)", x=x, w=weight, a=axis)
    return x
