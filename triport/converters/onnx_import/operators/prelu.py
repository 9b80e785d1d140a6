"""PReLU, an activation with weights."""

from __future__ import annotations

import ast

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import Known

from . import both


@both("PRelu", since=7)
def prelu(call: Call) -> ast.expr:
    """Leaky with a slope of each channel or place."""
    slope, x = call.rep(1), call.tensor(0)
    rank = call.rank(0)
    if isinstance(slope, Known) and slope.array.dtype == np.float32 and rank > 1:
        channels = slope.array.reshape(-1)
        shape = [1] * (rank - slope.array.ndim) + list(slope.array.shape)
        if slope.array.size == 1 or (shape[1] == slope.array.size and slope.array.size == call.size(0, 1)):
            constructor = code("nn.PReLU(n)", n=channels.size if channels.size > 1 else OMIT)
            leaf = "weight" if call.target == "pytorch" else "w"
            layer = call.body.layer(
                "prelu", constructor, {leaf: Known(channels, slope.origin, trained=True)}, x
            )
            if layer is not None:
                return layer
    x = call.let("x", x)
    module = "torch" if call.target == "pytorch" else "ops"
    return code(f"{module}.where(x < 0, x * s, x)", x=x, s=call.tensor(1))
