"""Casts."""

from __future__ import annotations

import ast

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both, pytorch

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "bfloat16", "float32", "float64")


@both("Cast", "CastLike", since=6)
def cast(call: Call) -> ast.expr:
    """To another dtype."""
    dtype = call.output_dtype()
    if call.node.op_type == "Cast":
        call.attribute("to")
    else:
        call.dtype(1)
    saturate = call.attribute("saturate", 1)
    call.attribute("round_mode", "up") if dtype != "float8e8m0" else None
    if call.dtype(0) == "string" or dtype == "string":
        call.refuse("from or to text, which no framework has")
    if call.dtype(0) == dtype:  # exporters cast to make sure
        return call.tensor(0)
    if "float8" in dtype:
        return _to_float8(call, dtype, saturate)
    if (
        call.target == "mindspore"
        and call.dtype(0) in _FLOATS
        and dtype in ("uint8", "uint16", "uint32", "uint64", "int8", "int16")
    ):
        return code("x.to(mindspore.int64).to(d)", x=call.tensor(0), d=call.dtype_name(dtype))
    return code("x.to(d)", x=call.tensor(0), d=call.dtype_name(dtype))


def _to_float8(call: Call, dtype: str, saturate: int) -> ast.expr:
    """PyTorch does not saturate: what is too large is clamped before."""
    limits = {
        "float8e4m3fn": 448.0,
        "float8e5m2": 57344.0,
        "float8e4m3fnuz": 240.0,
        "float8e5m2fnuz": 57344.0,
    }
    target = call.dtype_name(dtype)
    x = call.tensor(0)
    if dtype not in limits:
        call.refuse(f"to {dtype}")
    if "float8" in call.dtype(0) or call.dtype(0) not in _FLOATS:
        x = code("x.to(torch.float32)", x=x)
    if not saturate and dtype == "float8e4m3fn":
        # what would round to above 448 has no number: PyTorch saturates here
        return code("torch.where(x.abs() > 464.0, n, x).to(d)", x=call.let("x", x), n=float("nan"), d=target)
    if not saturate:
        return code("x.to(d)", x=x, d=target)
    return code("torch.clamp(x, a, b).to(d)", x=x, a=-limits[dtype], b=limits[dtype], d=target)


@pytorch("BitCast")
def bit_cast(call: Call) -> ast.expr:
    """The same bits as another dtype."""
    call.attribute("to")
    return code("x.view(d)", x=call.tensor(0), d=call.dtype_name(call.output_dtype()))
