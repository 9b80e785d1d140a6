"""Convolutions."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import Known

from . import mindspore, pytorch


def short(values: list[int]) -> int | tuple[int, ...]:
    """Return one number for equal ones."""
    return values[0] if len(set(values)) == 1 else tuple(values)


class Window:
    """Kernel, strides, dilations and padding of a convolution or a pool, read and checked."""

    def __init__(self, call: Call, kernel: list[int] | None = None) -> None:
        """Read the attributes; `kernel` is the weight's where none is stated."""
        self.rank = call.rank(0) - 2
        stated = call.attribute("kernel_shape", kernel)
        if stated is None:
            call.refuse("attribute kernel_shape is missing, and the weight's shape is not known")
        self.kernel = [int(k) for k in stated]
        if kernel is not None and self.kernel != kernel:
            call.refuse(f"attribute kernel_shape is {self.kernel}, the weight's is {kernel}")
        self.strides = call.attribute("strides", [1] * self.rank)
        self.dilations = call.attribute("dilations", [1] * self.rank)
        self.auto_pad = call.attribute("auto_pad", "NOTSET")
        pads = call.attribute("pads", None)
        if self.rank < 1 or not len(self.kernel) == len(self.strides) == len(self.dilations) == self.rank:
            call.refuse("kernel, strides and dilations do not fit the input's rank")
        if self.auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            call.refuse("attribute auto_pad is unknown")
        self.call = call
        self.dynamic = False
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            self.begin, self.end = self._same()
        elif self.auto_pad == "VALID" or pads is None:
            self.begin, self.end = [0] * self.rank, [0] * self.rank
        else:
            if len(pads) != 2 * self.rank:
                call.refuse("attribute pads does not fit the input's rank")
            self.begin, self.end = list(pads[: self.rank]), list(pads[self.rank :])
        if min(*self.kernel, *self.strides, *self.dilations) < 1:
            call.refuse("a kernel, stride or dilation below 1")

    def _same(self) -> tuple[list[int], list[int]]:
        begin, end = [], []
        for i in range(self.rank):
            size = self.call.size(0, i + 2)
            reach = (self.kernel[i] - 1) * self.dilations[i] + 1
            if size is None and self.strides[i] != 1:
                self.dynamic = True
                size = 1
            elif size is None:
                size = reach
            total = max((-(-size // self.strides[i]) - 1) * self.strides[i] + reach - size, 0)
            less, more = total // 2, total - total // 2
            begin.append(less if self.auto_pad == "SAME_UPPER" else more)
            end.append(more if self.auto_pad == "SAME_UPPER" else less)
        return begin, end

    def refuse_dynamic(self) -> None:
        """Refuse SAME padding that depends on a free axis."""
        if self.dynamic:
            self.call.refuse(f"{self.auto_pad} with a stride along a free axis")

    @property
    def symmetric(self) -> bool:
        """Whether the padding is the same on both sides, and none is negative."""
        return self.begin == self.end and min(self.begin) >= 0

    @property
    def torch_pads(self) -> tuple[int, ...]:
        """Padding as torch's pad takes it: from the last axis on."""
        return tuple(n for b, e in zip(self.begin[::-1], self.end[::-1], strict=True) for n in (b, e))

    def given(self, **more: Any) -> dict[str, Any]:
        """Return kernel arguments for a template, those at their defaults left out."""
        return {
            "k": short(self.kernel),
            "s": OMIT if set(self.strides) == {1} else short(self.strides),
            "p": OMIT if not self.symmetric or set(self.begin) == {0} else short(self.begin),
            "dl": OMIT if set(self.dilations) == {1} else short(self.dilations),
            **more,
        }


def _weight_kernel(call: Call, index: int = 1) -> list[int] | None:
    shape = call.shape(index)
    if shape is None or not all(isinstance(n, int) for n in shape):
        return None
    return [n for n in shape[2:] if isinstance(n, int)]


def padded(window: Window, x: ast.expr, value: Any = None) -> ast.expr:
    """Return the input with the padding that a layer cannot have itself, in PyTorch."""
    if window.symmetric:
        return x
    return code("F.pad(x, p, value=v)", x=x, p=window.torch_pads, v=OMIT if value is None else value)


@pytorch("Conv")
def conv(call: Call) -> ast.expr:
    """A convolution with its weights, or with computed ones."""
    window, groups = Window(call, _weight_kernel(call)), call.attribute("group", 1)
    window.refuse_dynamic()
    if window.rank > 3:
        call.refuse(f"over {window.rank} axes")
    weight, bias = call.rep(1), call.rep(2) if call.has(2) else None
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
    window, groups = Window(call, _weight_kernel(call)), call.attribute("group", 1)
    window.refuse_dynamic()
    weight, bias = call.rep(1), call.rep(2) if call.has(2) else None
    if call.dtype(0) != "float32":
        call.refuse(f"of {call.dtype(0)}: MindSpore's CPU convolves float32")
    if not isinstance(weight, Known) or (bias is not None and not isinstance(bias, Known)):
        return _functional_mindspore(call, window, groups)
    out, per_group = weight.array.shape[:2]
    if window.rank not in (1, 2) or (window.rank == 2 and min(window.begin + window.end) < 0):
        return _functional_mindspore(call, window, groups)
    pads = tuple(n for b, e in zip(window.begin, window.end, strict=True) for n in (b, e))
    x = call.tensor(0)
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
    weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
    layer = call.body.layer("conv", constructor, weights, x)
    return layer if layer is not None else _functional_mindspore(call, window, groups)


def _functional_mindspore(call: Call, window: Window, groups: int) -> ast.expr:
    x = call.tensor(0)
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
    kernel = _weight_kernel(call)
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
    kernel = _weight_kernel(call)
    groups = call.attribute("group", 1)
    extra = call.attribute("output_padding", None)
    shape = call.attribute("output_shape", None)
    window = Window(call, kernel)
    rank = window.rank
    extra = list(extra) if extra is not None else [0] * rank
    begin, end = window.begin, window.end
    if shape is not None or window.auto_pad.startswith("SAME"):
        begin, end, extra = _from_shape(call, window, shape, extra)
    weight, bias = call.rep(1), call.rep(2) if call.has(2) else None
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
        size = call.size(0, i + 2)
        if size is None:
            call.refuse("output_shape or SAME along a free axis")
        reach = (window.kernel[i] - 1) * window.dilations[i] + 1
        wanted = shape[-window.rank :][i] if shape is not None else size * window.strides[i]
        total = window.strides[i] * (size - 1) + extra[i] + reach - wanted
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
    """A transposed convolution of an image, its padding symmetric."""
    groups = call.attribute("group", 1)
    if call.attribute("output_shape", None) is not None:
        call.refuse("output_shape")
    extra = call.attribute("output_padding", [0, 0])
    window = Window(call, _weight_kernel(call))
    weight, bias = call.rep(1), call.rep(2) if call.has(2) else None
    if (
        window.rank != 2
        or not window.symmetric
        or not isinstance(weight, Known)
        or any(extra)
        or window.auto_pad.startswith("SAME")
    ):
        call.refuse("of another rank, with computed weights, or with padding that is not symmetric")
    if groups != 1 or call.dtype(0) != "float32" or (bias is not None and not isinstance(bias, Known)):
        call.refuse("with groups, or not of float32")
    given = window.given()
    if not isinstance(given["p"], int) and given["p"] is not OMIT:
        given["p"] = tuple(n for n in window.begin for _ in (0, 1))
    constructor = code(
        "nn.Conv2dTranspose(i, o, k, stride=s, pad_mode='pad', padding=p, dilation=dl, has_bias=b)",
        i=weight.array.shape[0],
        o=weight.array.shape[1],
        b=True if bias is not None else OMIT,
        **given,
    )
    weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
    layer = call.body.layer("conv", constructor, weights, call.tensor(0))
    return layer if layer is not None else call.refuse("its weight is used twice")


@pytorch("ConvInteger")
def conv_integer(call: Call) -> ast.expr:
    """A convolution of bytes, exact in float64."""
    return code("x.to(torch.int32)", x=_integer_conv(call, 0, 1, 2, 3))


def _integer_conv(call: Call, x: int, w: int, x_zero: int, w_zero: int) -> ast.expr:
    """Return a convolution of what the zero points leave, in float64."""
    window, groups = Window(call, _weight_kernel(call, w)), call.attribute("group", 1)
    window.refuse_dynamic()
    image = code("x.to(torch.float64)", x=call.tensor(x))
    weight = code("x.to(torch.float64)", x=call.tensor(w))
    if call.has(x_zero):
        image = code("x - z", x=image, z=_zero(call, x_zero, None))
    if call.has(w_zero):
        weight = code("x - z", x=weight, z=_zero(call, w_zero, window.rank))
    given = window.given(g=OMIT if groups == 1 else groups)
    return code(
        f"F.conv{window.rank}d(x, w, stride=s, padding=p, dilation=dl, groups=g)",
        x=padded(window, image),
        w=weight,
        **given,
    )


def _zero(call: Call, index: int, rank: int | None) -> ast.expr:
    known = call.constant(index)
    if known is not None and known.size == 1:
        return code("v", v=float(known.reshape(-1)[0]))
    tree = code("x.to(torch.float64)", x=call.tensor(index))
    if rank is not None and call.rank(index) == 1 and call.size(index, 0) != 1:
        tree = code("x.reshape(-1, *o)", x=tree, o=[1] * (rank + 1))
    return tree


@pytorch("QLinearConv")
def qlinear_conv(call: Call) -> ast.expr:
    """A convolution of quantized numbers, quantized again."""
    exact = _integer_conv(call, 0, 3, 2, 5)
    rank = call.rank(0) - 2
    if call.has(8):
        exact = code("x + b.to(torch.float64).reshape(-1, *o)", x=exact, b=call.tensor(8), o=[1] * rank)
    weight_scale = call.tensor(4)
    if call.rank(4) == 1 and call.size(4, 0) != 1:
        weight_scale = code("s.reshape(-1, *o)", s=weight_scale, o=[1] * rank)
    scale = code("a * b / c", a=call.tensor(1), b=weight_scale, c=call.tensor(6))
    return requantized(call, exact, scale, call.tensor(7), call.output_dtype())


def requantized(call: Call, exact: ast.expr, scale: ast.expr, zero: ast.expr, dtype: str) -> ast.expr:
    """Return exact sums scaled, rounded and saturated to bytes, in PyTorch."""
    limits = np.iinfo(dtype)
    return code(
        "torch.clamp(torch.round(x * s) + z, a, b).to(d)",
        x=exact,
        s=scale,
        z=zero,
        a=int(limits.min),
        b=int(limits.max),
        d=call.dtype_name(dtype),
    )


@pytorch("QLinearMatMul")
def qlinear_matmul(call: Call) -> ast.expr:
    """A product of quantized matrices, quantized again."""
    a, b = (code("x.to(torch.float64)", x=call.tensor(i)) for i in (0, 3))
    a_zero, a_scale = call.tensor(2), call.tensor(1)
    if call.rank(2) >= 1 and call.size(2, 0) != 1:
        call.refuse("a scale of each row")
    if "float8" in call.dtype(0):
        call.refuse("of float8")
    product = code("(a - za) @ (b - zb)", a=a, b=b, za=a_zero, zb=call.tensor(5))
    scale = code("a * b / c", a=a_scale, b=call.tensor(4), c=call.tensor(6))
    if call.dtype(1) == "float16":
        scale = code("a.to(torch.float32) * b / c", a=a_scale, b=call.tensor(4), c=call.tensor(6))
    return requantized(call, product, scale, call.tensor(7), call.output_dtype())


@pytorch("DeformConv")
def deform_conv(call: Call) -> ast.expr:
    """A convolution whose places are offsets of the grid."""
    window = Window(call, _weight_kernel(call))
    if window.rank != 2:
        call.refuse("of other than images")
    groups, offsets = call.attribute("group", 1), call.attribute("offset_group", 1)
    return code(
        "f(x, w, o, b, m, s, p, dl, g, og)",
        f=call.function("deform_conv2d"),
        x=call.tensor(0),
        w=call.tensor(1),
        o=call.tensor(2),
        b=call.tensor(3) if call.has(3) else None,
        m=call.tensor(4) if call.has(4) else None,
        s=tuple(window.strides),
        p=(*window.begin, *window.end),
        dl=tuple(window.dilations),
        g=groups,
        og=offsets,
    )
