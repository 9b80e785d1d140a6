"""What fusing.py made of several nodes."""

from __future__ import annotations

import ast

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.rewriting import DOMAIN
from triport.converters.onnx_import.values import Known

from . import both, mindspore, pytorch
from .elementwise import exact_mindspore, f32
from .matmul import linear_layer


@both("Linear", domain=DOMAIN)
def linear(call: Call) -> ast.expr:
    """A product with a matrix, and a bias."""
    weight, bias = call.rep(1), call.rep(2)
    if isinstance(weight, Known) and isinstance(bias, Known):
        held = Known(weight.array.T, weight.origin, trained=True)
        bias = Known(bias.array, bias.origin, trained=True)
        if str(bias.array.dtype) == str(held.array.dtype):
            layer = linear_layer(call, held, bias)
            if layer is not None:
                return layer
    product = "x @ w + b" if call.target == "pytorch" else "ops.matmul(x, w) + b"
    return code(product, x=call.tensor(0), w=call.tensor(1), b=call.tensor(2))


@pytorch("Silu", domain=DOMAIN)
def silu(call: Call) -> ast.expr:
    """SiLU."""
    return code("F.silu(x)", x=call.tensor(0))


@mindspore("Silu", domain=DOMAIN)
def silu_mindspore(call: Call) -> ast.expr:
    """SiLU."""
    x = call.let("x", call.tensor(0))
    return code("x * f(x)", x=x, f=exact_mindspore(call, "sigmoid"))


@pytorch("Gelu", domain=DOMAIN)
def gelu(call: Call) -> ast.expr:
    """GELU."""
    return code("F.gelu(x)", x=call.tensor(0))


@mindspore("Gelu", domain=DOMAIN)
def gelu_mindspore(call: Call) -> ast.expr:
    """GELU by its formula."""
    return code("0.5 * x * (1.0 + ops.erf(x / 1.4142135623730951))", x=call.let("x", call.tensor(0)))


@both("Unbind", domain=DOMAIN)
def unbind(call: Call) -> ast.expr:
    """Each place of an axis."""
    kind = "x.unbind(a)" if call.target == "pytorch" else "ops.unstack(x, a)"
    return code(kind, x=call.tensor(0), a=call.attribute("axis"))


@pytorch("Roll", domain=DOMAIN)
def roll(call: Call) -> ast.expr:
    """Elements moved along axes, those at the end to the beginning."""
    shifts, axes = call.attribute("shifts"), call.attribute("axes")
    if len(shifts) == 1:
        return code("torch.roll(x, s, dims=a)", x=call.tensor(0), s=shifts[0], a=axes[0])
    return code("torch.roll(x, s, dims=a)", x=call.tensor(0), s=tuple(shifts), a=tuple(axes))


@mindspore("Roll", domain=DOMAIN)
def roll_mindspore(call: Call) -> ast.expr:
    """Elements moved along axes, those at the end to the beginning, which MindSpore's CPU has not."""
    shifts, axes = call.attribute("shifts"), call.attribute("axes")
    return code("f(x, s, a)", f=call.function("roll"), x=call.tensor(0), s=tuple(shifts), a=tuple(axes))


@both("LayerNorm2d", domain=DOMAIN)
def layer_norm_2d(call: Call) -> ast.expr:
    """LayerNorm over the channels of images."""
    eps, size = f32(call.attribute("epsilon", 1e-5)), call.size(0, 1)
    held = [rep for rep in (call.rep(1), call.rep(2)) if isinstance(rep, Known)]
    kinds = {str(each.array.dtype) for each in held} | {call.dtype(0)}
    if len(held) == 2 and all(each.array.shape == (size,) for each in held) and kinds == {"float32"}:
        call.function("LayerNorm2d")
        if call.target == "pytorch":
            names, kind = ("weight", "bias"), "LayerNorm2d(n, eps=e)"
        else:
            names = ("gamma", "beta")
            kind = "LayerNorm2d((n,), begin_norm_axis=-1, begin_params_axis=-1, epsilon=e)"
        e = OMIT if call.target == "pytorch" and eps == 1e-5 else eps
        weights = dict(zip(names, held, strict=True))
        layer = call.body.layer("norm", code(kind, n=size, e=e), weights, call.tensor(0))
        if layer is not None:
            return layer
    x, weight, bias = (call.tensor(i) for i in range(3))
    function = call.function("layer_norm_2d")
    return code("f(x, w, b, e)", f=function, x=x, w=weight, b=bias, e=eps)
