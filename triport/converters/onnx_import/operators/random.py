"""Random numbers: of the right shape and distribution, and others in every run."""

from __future__ import annotations

import ast

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import pytorch
from .elementwise import f32


@pytorch("Bernoulli")
def bernoulli(call: Call) -> ast.expr:
    """Ones with the given chances."""
    call.attribute("dtype", None)
    call.attribute("seed", None)
    return code("torch.bernoulli(x).to(d)", x=call.tensor(0), d=call.dtype_name(call.output_dtype()))


@pytorch("RandomUniformLike", "RandomNormalLike", "RandomUniform", "RandomNormal")
def random(call: Call) -> ast.expr:
    """Uniform or normal numbers."""
    call.attribute("dtype", None)
    call.attribute("seed", None)
    dtype = call.dtype_name(call.output_dtype())
    uniform = call.node.op_type.startswith("RandomUniform")
    kind = "torch.rand" if uniform else "torch.randn"
    if call.node.op_type.endswith("Like"):
        drawn = code(f"{kind}_like(x, dtype=d)", x=call.tensor(0), d=dtype)
    else:
        drawn = code(f"{kind}(s, dtype=d)", s=tuple(call.attribute("shape")), d=dtype)
    if uniform:
        low, high = f32(call.attribute("low", 0.0)), f32(call.attribute("high", 1.0))
        return code("x * s + l", x=drawn, s=high - low, l=low) if (low, high) != (0.0, 1.0) else drawn
    mean, scale = f32(call.attribute("mean", 0.0)), f32(call.attribute("scale", 1.0))
    return code("x * s + m", x=drawn, s=scale, m=mean) if (mean, scale) != (0.0, 1.0) else drawn
