"""Tensors that are made of numbers alone."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code, literal
from triport.converters.onnx_import.values import number

from . import both


@both("ConstantOfShape")
def constant_of_shape(call: Call) -> Any:
    """A tensor of one value."""
    value = call.attribute("value", np.zeros(1, np.float32))
    dtype = call.dtype_name(str(value.dtype))
    sizes = call.ints(0)
    shown = call.int_tuple(0) if sizes is None else literal(tuple(sizes))
    if call.target == "pytorch":
        return code("torch.full(s, v, dtype=d)", s=shown, v=number(value), d=dtype)
    return code("ops.full(s, v, dtype=d)", s=shown, v=number(value), d=dtype)


@both("Range")
def range_(call: Call) -> ast.expr:
    """Numbers in equal steps."""
    dtype = call.dtype_name(call.output_dtype())
    start, limit, delta = (call.scalar(i) for i in range(3))
    if _number(delta) is None:
        start, limit, delta = (call.let("x", each) for each in (start, limit, delta))
        limit = code("b if (b - a) * c > 0 else a", a=start, b=limit, c=delta)
    else:
        limit = _reached(start, limit, delta)
    module = "torch" if call.target == "pytorch" else "ops"
    if _number(start) == 0 and _number(delta) == 1:
        return code(f"{module}.arange(b, dtype=d)", b=limit, d=dtype)
    return code(f"{module}.arange(a, b, c, dtype=d)", a=start, b=limit, c=delta, d=dtype)


def _reached(start: ast.expr, limit: ast.expr, delta: ast.expr) -> ast.expr:
    """Return the limit, or the start where it lies before that: ONNX has no numbers then, frameworks fail."""
    first, last, step = (_number(each) for each in (start, limit, delta))
    is_reached = step is not None and first == 0 and step > 0 and isinstance(limit, ast.Subscript)
    if step is None or is_reached or (first is not None and last is not None):
        return limit
    return code("max(a, b)" if step > 0 else "min(a, b)", a=start, b=limit)


def _number(tree: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(tree))
    except (ValueError, TypeError):
        return None
