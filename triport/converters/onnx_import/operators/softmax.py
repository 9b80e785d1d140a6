"""Softmax, its logarithm, and the hard maximum."""

from __future__ import annotations

import ast

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both

_SOFT = {
    "Softmax": ("x.softmax(dim=a)", "ops.softmax(x, axis=a)"),
    "LogSoftmax": ("F.log_softmax(x, dim=a)", "ops.log_softmax(x, axis=a)"),
    "Hardmax": ("F.one_hot(x.argmax(dim=a), n)", "ops.one_hot(x.argmax(axis=a), n)"),
}


@both("Softmax", "LogSoftmax", "Hardmax", since=13)
def softmax(call: Call) -> ast.expr:
    """Along one axis."""
    axis, rank = call.attribute("axis", -1), call.rank(0)
    axis = call.axis(axis, rank)
    return _soft(call, call.tensor(0), axis - rank if axis == rank - 1 else axis, rank, call.size(0, axis))


@both("Softmax", "LogSoftmax", "Hardmax", until=12)
def softmax_of_two(call: Call) -> ast.expr:
    """Over all axes from one on, as it was before version 13."""
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", 1), rank)
    x = call.tensor(0)
    rest = [call.size(0, a) for a in range(axis + 1, rank)]
    if axis == rank - 1 or all(n == 1 for n in rest):
        return _soft(call, x, axis, rank, call.size(0, axis))
    x = call.let("x", x)
    if call.target == "mindspore" or call.node.op_type == "Hardmax":
        last = [call.size(0, a) for a in range(axis, rank)]
        size = None if any(n is None for n in last) else int(np.prod([n for n in last if n is not None]))
        flat = code("x.reshape(*x.shape[:a], -1)", x=x, a=axis) if axis else code("x.reshape(-1)", x=x)
        return code("s.reshape(x.shape)", s=_soft(call, flat, axis, axis + 1, size), x=x)
    flat = code("x.flatten(a)", x=x, a=axis)
    return code("s.reshape(x.shape)", s=_soft(call, flat, -1, axis + 1, None), x=x)


def _soft(call: Call, x: ast.expr, axis: int, rank: int, size: int | None) -> ast.expr:
    template = _SOFT[call.node.op_type][call.target == "mindspore"]
    own = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}.get(call.node.op_type)
    if call.target == "mindspore" and own is not None and (own == "softmax" or call.dtype(0) == "float32"):
        return code("f(x, a)", f=call.function(own), x=x, a=axis)
    if call.node.op_type != "Hardmax":
        return code(template, x=x, a=axis)
    if size is None:
        call.refuse("along a free axis")
    dtype = call.dtype_name(call.dtype(0))
    if call.target == "pytorch":
        hot = code(f"{template}.to(d)", x=x, a=axis, n=size, d=dtype)
    else:
        hot = code("ops.one_hot(ops.argmax(x, a), n).to(d)", x=x, a=axis, n=size, d=dtype)
    axis %= rank
    if axis == rank - 1:
        return hot
    return code("x.movedim(-1, a)" if call.target == "pytorch" else "ops.movedim(x, -1, a)", x=hot, a=axis)
