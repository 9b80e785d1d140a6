"""Quantization."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both
from .quantized_layers import by_scalars


def _along(call: Call, index: int, axis: int, block: int) -> ast.expr:
    """Return a scale or zero point so that it fits beside the input along its axis."""
    tree = call.tensor(index)
    rank, of = call.rank(0), call.rank(index)
    if block:
        kind = (
            "x.repeat_interleave(n, dim=a)" if call.target == "pytorch" else "ops.repeat_interleave(x, n, a)"
        )
        tree = code(kind, x=tree, n=block, a=axis)
        size, count = call.size(0, axis), call.size(index, axis)
        if size is None or count is None:
            call.refuse("blocks along a free axis")
        if size != count * block:
            slices: list[ast.expr] = [
                *(ast.Slice() for _ in range(axis)),
                ast.Slice(None, ast.Constant(size)),
            ]
            tree = ast.Subscript(tree, ast.Tuple(slices, ast.Load()) if axis else slices[0], ast.Load())
        return tree
    if of == 0 or rank <= 1 or (of == 1 and call.size(index, 0) == 1):
        return tree
    if of != 1:
        call.refuse("a scale of several axes without block_size")
    if axis == rank - 1:
        return tree
    return code("x.reshape(-1, *o)", x=tree, o=[1] * (rank - 1 - axis))


def _axis(call: Call) -> tuple[int, int]:
    rank = call.rank(0)
    axis = call.attribute("axis", 1) if call.version >= 13 else 1
    block = call.attribute("block_size", 0) if call.version >= 21 else 0
    if call.rank(1) == 0 or rank < 2 or (call.size(1, 0) == 1 and call.rank(1) == 1):
        return max(min(axis, rank - 1), 0), block
    return call.axis(axis, rank), block


@both("QuantizeLinear")
def quantize_linear(call: Call) -> ast.expr:
    """Divide, round half to even, add the zero point, saturate."""
    axis, block = _axis(call)
    dtype = call.output_dtype()
    if call.version >= 19:
        call.attribute("saturate", 1)
    if call.version >= 21:
        call.attribute("output_dtype", 0)
    if call.version >= 23:
        call.attribute("precision", 0)
    scale = _along(call, 1, axis, block)
    if "float8" in dtype:
        if (
            call.attribute("saturate", 1) != 1
            or call.target == "mindspore"
            or dtype not in ("float8e4m3fn", "float8e5m2")
        ):
            call.refuse(f"to {dtype}")
        limit = {"float8e4m3fn": 448.0, "float8e5m2": 57344.0}[dtype]
        if call.has(2):
            zero = call.constant(2)
            if zero is None or np.any(zero.astype(np.float32)):
                _along(call, 2, axis, block)
        return code(
            "torch.clamp(x / s, a, b).to(d)",
            x=call.tensor(0),
            s=scale,
            a=-limit,
            b=limit,
            d=call.dtype_name(dtype),
        )
    if dtype not in ("uint8", "int8", "uint16", "int16"):
        call.refuse(f"to {dtype}")
    layer = by_scalars(call, "Quantize")
    if layer is not None:
        return layer
    limits = np.iinfo(dtype)
    module = "torch" if call.target == "pytorch" else "ops"
    x = call.tensor(0)
    if call.dtype(0) == "int32":
        x = code("x.to(d)", x=x, d=call.dtype_name("float32"))
    rounded = code(f"{module}.round(x / s)", x=x, s=scale)
    if call.has(2):
        zero_point = call.constant(2)
        if zero_point is None or zero_point.any():
            wide = call.dtype_name("int32") if dtype in ("uint16", "int16") else call.dtype_name("float32")
            rounded = code("r + z.to(d)", r=rounded, z=_along(call, 2, axis, block), d=wide)
    clamp = "torch.clamp(x, a, b)" if call.target == "pytorch" else "ops.clamp(x, a, b)"
    a: Any = int(limits.min) if call.target == "pytorch" else float(limits.min)
    b: Any = int(limits.max) if call.target == "pytorch" else float(limits.max)
    final = "x.to(d)" if call.target == "pytorch" else "x.to(mindspore.int32).to(d)"
    return code(final, x=code(clamp, x=rounded, a=a, b=b), d=call.dtype_name(dtype))


@both("DequantizeLinear")
def dequantize_linear(call: Call) -> ast.expr:
    """Subtract the zero point, multiply by the scale."""
    axis, block = _axis(call)
    if call.version >= 23:
        call.attribute("output_dtype", 0)
    dtype, kind = call.dtype(0), call.dtype_name(call.output_dtype())
    scale = _along(call, 1, axis, block)
    if dtype not in ("uint8", "int8", "uint16", "int16", "int32", "float8e4m3fn", "float8e5m2"):
        call.refuse(f"of {dtype}")
    layer = by_scalars(call, "Dequantize") if dtype in ("uint8", "int8") else None
    if layer is not None:
        return layer
    x = call.tensor(0)
    if call.has(2):
        zero = call.constant(2)
        if zero is None or np.any(zero.astype(np.float32)):
            whole = call.dtype_name("int32") if "float8" not in dtype else call.dtype_name("float32")
            x = code("x.to(w) - z.to(w)", x=x, z=_along(call, 2, axis, block), w=whole)
    return code("x.to(d) * s", x=x, s=scale, d=kind)


@both("DynamicQuantizeLinear")
def dynamic_quantize_linear(call: Call) -> Any:
    """To uint8 by the input's own range, which includes zero."""
    return code("f(x)", f=call.function("quantize_dynamic"), x=call.tensor(0))
