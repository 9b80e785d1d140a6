"""Convolutions."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import Known
from triport.converters.onnx_import.windows import Window, kernel_of, padded, short

from . import mindspore, pytorch


def _bias(call: Call) -> Any:
    """Return what is known of the bias, None where there is none."""
    if call.has(2) and call.shape(2) is not None and call.rank(2) != 1:
        call.refuse(f"a bias of {call.rank(2)} axes; expected one axis")
    return call.rep(2) if call.has(2) else None


@pytorch("Conv")
def conv(call: Call) -> ast.expr:
    """A convolution with its weights, or with computed ones."""
    window, groups = Window(call, kernel_of(call)), call.attribute("group", 1)
    if window.rank > 3:
        call.refuse(f"over {window.rank} axes")
    weight, bias = call.rep(1), _bias(call)
    x = padded(window, call.tensor(0))
    given = window.given(g=OMIT if groups == 1 else groups)
    if isinstance(weight, Known) and (bias is None or isinstance(bias, Known)):
        out, per_group = weight.array.shape[:2]
        dtype = str(weight.array.dtype)
        constructor = code(
            f"nn.Conv{window.rank}d(i, o, k, stride=s, padding=p, dilation=dl, groups=g, bias=b, dtype=d)",
            i=per_group * groups,
            o=out,
            b=OMIT if bias is not None else False,
            d=OMIT if dtype == "float32" else call.dtype_name(dtype),
            **given,
        )
        layer = call.body.layer("conv", constructor, {"weight": weight} | ({"bias": bias} if bias else {}), x)
        if layer is not None:
            return layer
    return code(
        f"F.conv{window.rank}d(x, w, b, stride=s, padding=p, dilation=dl, groups=g)",
        x=x,
        w=call.tensor(1),
        b=call.tensor(2) if call.has(2) else OMIT,
        **given,
    )


@mindspore("Conv")
def conv_mindspore(call: Call) -> ast.expr:
    """A convolution with its weights; over one axis as an image of one row."""
    window, groups = Window(call, kernel_of(call)), call.attribute("group", 1)
    weight, bias = call.rep(1), _bias(call)
    if call.dtype(0) != "float32":
        call.refuse(f"of {call.dtype(0)}: MindSpore's CPU convolves float32")
    if not isinstance(weight, Known) or (bias is not None and not isinstance(bias, Known)):
        return _functional_mindspore(call, window, groups)
    out, per_group = weight.array.shape[:2]
    if window.rank not in (1, 2) or (window.rank == 2 and min(window.begin + window.end) < 0):
        return _functional_mindspore(call, window, groups)
    pads = tuple(n for b, e in zip(window.begin, window.end, strict=True) for n in (b, e))
    x = window.padded_same(call.tensor(0))
    if window.rank == 1:
        if window.begin != window.end:
            x = code("ops.pad(x, p)", x=x, p=pads)
            pads = (0, 0)
        pad: Any = pads[0]
    else:
        pad = pads[0] if len(set(pads)) == 1 else pads
    constructor = code(
        f"nn.Conv{window.rank}d(i, o, k, stride=s, pad_mode='pad', padding=p, dilation=dl, group=g, "
        f"has_bias=b)",
        i=per_group * groups,
        o=out,
        g=OMIT if groups == 1 else groups,
        b=True if bias is not None else OMIT,
        **(window.given() | {"p": OMIT if pad == 0 else pad}),
    )
    # MindSpore keeps the weights of one axis as those of an image of one row
    kept = weight if window.rank == 2 else replace(weight, array=np.expand_dims(weight.array, 2))
    weights = {"weight": kept} | ({"bias": bias} if bias is not None else {})
    layer = call.body.layer("conv", constructor, weights, x)
    return layer if layer is not None else _functional_mindspore(call, window, groups)


def _functional_mindspore(call: Call, window: Window, groups: int) -> ast.expr:
    x = window.padded_same(call.tensor(0))
    if window.rank != 2:
        if min(window.begin + window.end) < 0:
            call.refuse("with negative padding")
        return code(
            "f(x, w, b, s, p, dl, g)",
            f=call.function("convolution"),
            x=x,
            w=call.tensor(1),
            b=call.tensor(2) if call.has(2) else None,
            s=tuple(window.strides),
            p=(*window.begin, *window.end),
            dl=tuple(window.dilations),
            g=groups,
        )
    if window.begin != window.end:
        x = code("ops.pad(x, p)", x=x, p=window.torch_pads)
    kernel = kernel_of(call)
    if kernel is None:
        call.refuse("the weight's shape is not known")
    given = window.given(g=groups)
    pads: Any = tuple(window.begin) if window.symmetric else 0
    return code(
        "ops.conv2d(x, w, b, s, 'pad', p, dl, g)",
        x=x,
        w=call.tensor(1),
        b=call.tensor(2) if call.has(2) else None,
        **(
            given
            | {"s": short(window.strides), "p": pads if pads != (0, 0) else 0, "dl": short(window.dilations)}
        ),
    )


@pytorch("ConvTranspose")
def conv_transpose(call: Call) -> ast.expr:
    """A transposed convolution; padding that is not symmetric is cut off afterwards."""
    kernel = kernel_of(call)
    groups = call.attribute("group", 1)
    extra = call.attribute("output_padding", None)
    shape = call.attribute("output_shape", None)
    window = Window(call, kernel)
    rank = window.rank
    extra = list(extra) if extra is not None else [0] * rank
    begin, end = window.begin, window.end
    if shape is not None or window.auto_pad.startswith("SAME"):
        begin, end, extra = _from_shape(call, window, shape, extra)
    weight, bias = call.rep(1), _bias(call)
    symmetric = begin == end and min(begin) >= 0
    fits = all(e < max(s, d) for e, s, d in zip(extra, window.strides, window.dilations, strict=True))
    if not fits:
        call.refuse("output_padding is not below stride or dilation")
    given = {
        "s": OMIT if set(window.strides) == {1} else short(window.strides),
        "p": short(begin) if symmetric and any(begin) else OMIT,
        "e": short(extra) if any(extra) else OMIT,
        "g": OMIT if groups == 1 else groups,
        "dl": OMIT if set(window.dilations) == {1} else short(window.dilations),
    }
    x, tree = call.tensor(0), None
    if isinstance(weight, Known) and (bias is None or isinstance(bias, Known)):
        dtype = str(weight.array.dtype)
        constructor = code(
            f"nn.ConvTranspose{rank}d(i, o, k, stride=s, padding=p, output_padding=e, groups=g, bias=b, "
            f"dilation=dl, dtype=d)",
            i=weight.array.shape[0],
            o=weight.array.shape[1] * groups,
            k=short(window.kernel),
            b=OMIT if bias is not None else False,
            d=OMIT if dtype == "float32" else call.dtype_name(dtype),
            **given,
        )
        tree = call.body.layer("conv", constructor, {"weight": weight} | ({"bias": bias} if bias else {}), x)
    if tree is None:
        tree = code(
            f"F.conv_transpose{rank}d(x, w, b, stride=s, padding=p, output_padding=e, groups=g, dilation=dl)",
            x=x,
            w=call.tensor(1),
            b=call.tensor(2) if call.has(2) else OMIT,
            **given,
        )
    if not symmetric:
        cut = tuple(-n for b, e in zip(begin[::-1], end[::-1], strict=True) for n in (b, e))
        tree = code("F.pad(x, p)", x=tree, p=cut)
    return tree


def _from_shape(
    call: Call, window: Window, shape: list[int] | None, extra: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """Return the padding that gives an output of that shape."""
    begin, end = [], []
    extra = list(extra)
    for i in range(window.rank):
        reach = (window.kernel[i] - 1) * window.dilations[i] + 1
        total = extra[i] + reach - window.strides[i]  # SAME: an output of size times stride
        if shape is not None:
            size = call.size(0, i + 2)
            if size is None:
                call.refuse("output_shape along a free axis")
            total += size * window.strides[i] - shape[-window.rank :][i]
        if total < 0:
            extra[i] -= total
            total = 0
        if window.auto_pad == "SAME_UPPER":
            begin.append(total // 2)
            end.append(total - total // 2)
        else:
            begin.append(total - total // 2)
            end.append(total // 2)
    return begin, end, extra


@mindspore("ConvTranspose")
def conv_transpose_mindspore(call: Call) -> ast.expr:
    """A transposed convolution: a layer if it is of an image with symmetric padding, else by definition."""
    groups = call.attribute("group", 1)
    extra, shape = call.attribute("output_padding", None), call.attribute("output_shape", None)
    window = Window(call, kernel_of(call))
    extra = list(extra) if extra is not None else [0] * window.rank
    begin, end = window.begin, window.end
    if shape is not None or window.auto_pad.startswith("SAME"):
        begin, end, extra = _from_shape(call, window, shape, extra)
    if call.dtype(0) != "float32":
        call.refuse(f"of {call.dtype(0)}: MindSpore's CPU convolves float32")
    weight, bias = call.rep(1), _bias(call)
    is_plain = window.rank == 2 and begin == end and min(begin) >= 0 and not any(extra) and groups == 1
    if is_plain and isinstance(weight, Known) and (bias is None or isinstance(bias, Known)):
        given = window.given()
        given["p"] = OMIT if not any(begin) else tuple(n for n in begin for _ in (0, 1))
        constructor = code(
            "nn.Conv2dTranspose(i, o, k, stride=s, pad_mode='pad', padding=p, dilation=dl, has_bias=b)",
            i=weight.array.shape[0],
            o=weight.array.shape[1],
            b=True if bias is not None else OMIT,
            **given,
        )
        weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
        layer = call.body.layer("conv", constructor, weights, call.tensor(0))
        if layer is not None:
            return layer
    return code(
        "f(x, w, b, s, p, e, dl, g)",
        f=call.function("transposed_convolution"),
        x=call.tensor(0),
        w=call.tensor(1),
        b=call.tensor(2) if call.has(2) else None,
        s=tuple(window.strides),
        p=(*begin, *end),
        e=tuple(extra),
        dl=tuple(window.dilations),
        g=groups,
    )


@pytorch("DeformConv")
def deform_conv(call: Call) -> ast.expr:
    """A convolution whose places are offsets of the grid."""
    window = Window(call, kernel_of(call))
    if window.rank != 2:
        call.refuse("of other than images")
    _check_groups(call, window)
    return code(
        "f(x, w, o, b, m, s, p, dl)",
        f=call.function("deform_conv2d"),
        x=call.tensor(0),
        w=call.tensor(1),
        o=call.tensor(2),
        b=call.tensor(3) if call.has(3) else None,
        m=call.tensor(4) if call.has(4) else None,
        s=tuple(window.strides),
        p=(*window.begin, *window.end),
        dl=tuple(window.dilations),
    )


def _check_groups(call: Call, window: Window) -> None:
    """The groups, and those of the offsets, must be the shapes' own: what is written has them from there."""
    groups, offset_groups = call.attribute("group", 1), call.attribute("offset_group", 1)
    channels, per_group, offsets = call.size(0, 1), call.size(1, 1), call.size(2, 1)
    if channels is None or per_group is None or offsets is None:
        call.refuse("the channels of input, weight or offsets are not known")
    if channels != per_group * groups or offsets != 2 * offset_groups * math.prod(window.kernel):
        call.refuse("attribute group or offset_group does not fit the shapes")
