"""Convolutions and products of quantized numbers, exact in float64."""

from __future__ import annotations

import ast

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.windows import Window, kernel_of, padded

from . import both
from .quantized_layers import qlinear_conv_layer


@both("ConvInteger")
def conv_integer(call: Call) -> ast.expr:
    """A convolution of bytes, exact in float64."""
    return code("x.to(d)", x=_integer_conv(call, 0, 1, 2, 3), d=call.dtype_name("int32"))


def _integer_conv(call: Call, x: int, w: int, x_zero: int, w_zero: int) -> ast.expr:
    """Return a convolution of what the zero points leave, in float64."""
    window, groups = Window(call, kernel_of(call, w)), call.attribute("group", 1)
    image, weight = (code("x.to(d)", x=call.tensor(i), d=call.dtype_name("float64")) for i in (x, w))
    if call.has(x_zero):
        image = code("x - z", x=image, z=_zero(call, x_zero, None))
    known = call.constant(w_zero) if call.has(w_zero) else None
    if call.has(w_zero) and (known is None or known.any()):
        weight = code("x - z", x=weight, z=_zero(call, w_zero, window.rank))
    if call.target == "mindspore":  # its own convolves float32 alone
        return code(
            "f(x, w, None, s, p, dl, g)",
            f=call.function("convolution"),
            x=image,
            w=weight,
            s=tuple(window.strides),
            p=window.pads(image),
            dl=tuple(window.dilations),
            g=groups,
        )
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
    tree = code("x.to(d)", x=call.tensor(index), d=call.dtype_name("float64"))
    if rank is not None and call.rank(index) == 1 and call.size(index, 0) != 1:
        tree = code("x.reshape(-1, *o)", x=tree, o=[1] * (rank + 1))
    return tree


@both("QLinearConv")
def qlinear_conv(call: Call) -> ast.expr:
    """A convolution of quantized numbers, quantized again."""
    layer = qlinear_conv_layer(call)
    if layer is not None:
        return layer
    exact = _integer_conv(call, 0, 3, 2, 5)
    rank = call.rank(0) - 2
    if call.has(8):
        wide = code("b.to(d)", b=call.tensor(8), d=call.dtype_name("float64"))
        exact = code("x + b.reshape(-1, *o)", x=exact, b=wide, o=[1] * rank)
    weight_scale = call.tensor(4)
    if call.rank(4) == 1 and call.size(4, 0) != 1:
        weight_scale = code("s.reshape(-1, *o)", s=weight_scale, o=[1] * rank)
    scale = code("a * b / c", a=call.tensor(1), b=weight_scale, c=call.tensor(6))
    return requantized(call, exact, scale, call.tensor(7), call.output_dtype())


def requantized(call: Call, exact: ast.expr, scale: ast.expr, zero: ast.expr, dtype: str) -> ast.expr:
    """Return exact sums scaled, rounded and saturated to bytes."""
    limits = np.iinfo(dtype)
    template = "torch.clamp(torch.round(x * s) + z, a, b).to(d)"
    if call.target == "mindspore":
        template = "ops.clamp(ops.round(x * s.to(mindspore.float64)) + z.to(mindspore.float64), a, b).to(d)"
    return code(
        template,
        x=exact,
        s=scale,
        z=zero,
        a=int(limits.min),
        b=int(limits.max),
        d=call.dtype_name(dtype),
    )


@both("QLinearMatMul")
def qlinear_matmul(call: Call) -> ast.expr:
    """A product of quantized matrices, quantized again."""
    is_torch = call.target == "pytorch"
    wide, single = (
        ("torch.float64", "torch.float32") if is_torch else ("mindspore.float64", "mindspore.float32")
    )
    a, b, a_zero, b_zero = (code(f"x.to({wide})", x=call.tensor(i)) for i in (0, 3, 2, 5))
    if call.rank(2) >= 1 and call.size(2, 0) != 1:
        call.refuse("a scale of each row")
    if "float8" in call.dtype(0):
        call.refuse("of float8")
    product = code(
        "(a - za) @ (b - zb)" if is_torch else "ops.matmul(a - za, b - zb)", a=a, b=b, za=a_zero, zb=b_zero
    )
    scale_a, scale_b, scale_y = (call.tensor(i) for i in (1, 4, 6))
    if call.dtype(1) == "float16":
        scale_a = code(f"a.to({single})", a=scale_a)
    scale = code("a * b / c", a=scale_a, b=scale_b, c=scale_y)
    return requantized(call, product, scale, call.tensor(7), call.output_dtype())


@both("MatMulInteger")
def matmul_integer(call: Call) -> ast.expr:
    """A product of bytes, exact in float64: GPUs multiply no matrices of whole numbers."""
    is_torch = call.target == "pytorch"
    wide = "torch.float64" if is_torch else "mindspore.float64"
    a, b = (code(f"x.to({wide})", x=call.tensor(i)) for i in (0, 1))
    if call.has(2):
        zero = code(f"z.to({wide})", z=call.tensor(2))
        if call.rank(2) == 1 and call.size(2, 0) != 1:
            zero = code("z.unsqueeze(-1)", z=zero)
        a = code("x - z", x=a, z=zero)
    if call.has(3):
        zero_point = call.constant(3)
        if zero_point is None or zero_point.any():
            b = code(f"x - z.to({wide})", x=b, z=call.tensor(3))
    template = "torch.matmul(a, b).to(torch.int32)" if is_torch else "ops.matmul(a, b).to(mindspore.int32)"
    return code(template, a=a, b=b)
