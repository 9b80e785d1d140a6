"""What fusing.py made of several nodes."""

from __future__ import annotations

import ast

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code
from triport.converters.onnx_import.fusing import DOMAIN
from triport.converters.onnx_import.values import Known

from . import both, mindspore, pytorch
from .elementwise import exact_mindspore
from .matmul import linear_layer


@both("Linear", domain=DOMAIN)
def linear(call: Call) -> ast.expr:
    """A product with a matrix, and a bias."""
    weight, bias = call.rep(1), call.rep(2)
    if isinstance(weight, Known) and isinstance(bias, Known):
        held = Known(np.ascontiguousarray(weight.array.T), weight.origin, trained=True)
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
