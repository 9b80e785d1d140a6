"""Reductions along axes."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import fields_of

from . import both, mindspore, pytorch

# ONNX: PyTorch, MindSpore; `a` are the axes, `k` whether they are kept
_REDUCTIONS = {
    "ReduceMean": ("x.mean(dim=a, keepdim=k)", "ops.mean(x, axis=a, keep_dims=k)"),
    "ReduceSum": ("x.sum(dim=a, keepdim=k)", "ops.sum(x, dim=a, keepdim=k)"),
    "ReduceMax": ("x.amax(dim=a, keepdim=k)", "ops.amax(x, axis=a, keepdims=k)"),
    "ReduceMin": ("x.amin(dim=a, keepdim=k)", "ops.amin(x, axis=a, keepdims=k)"),
    "ReduceL1": ("x.abs().sum(dim=a, keepdim=k)", "ops.sum(ops.abs(x), dim=a, keepdim=k)"),
    "ReduceL2": (
        "x.square().sum(dim=a, keepdim=k).sqrt()",
        "ops.sqrt(ops.sum(ops.square(x), dim=a, keepdim=k))",
    ),
    "ReduceSumSquare": ("x.square().sum(dim=a, keepdim=k)", "ops.sum(ops.square(x), dim=a, keepdim=k)"),
    "ReduceLogSum": ("x.sum(dim=a, keepdim=k).log()", "ops.log(ops.sum(x, dim=a, keepdim=k))"),
    "ReduceLogSumExp": ("torch.logsumexp(x, dim=a, keepdim=k)", "ops.logsumexp(x, a, k)"),
}
_AXES_AS_INPUT = dict.fromkeys(_REDUCTIONS, 18) | {"ReduceSum": 13, "ReduceProd": 18}
_SUMS = ("ReduceSum", "ReduceL1", "ReduceSumSquare")


def _axes(call: Call) -> tuple[list[int] | None, bool, bool]:
    """Return the axes, None being all; whether they are kept; and whether nothing is reduced."""
    keep = bool(call.attribute("keepdims", 1))
    if call.version >= _AXES_AS_INPUT[call.node.op_type] and call.has(1) and call.constant(1) is None:
        call.refuse("the axes are computed at run time")
    axes: Any = call.axes(1, _AXES_AS_INPUT[call.node.op_type])
    empty = call.attribute("noop_with_empty_axes", 0)
    if not axes:
        return None, keep, bool(empty)
    rank = call.rank(0)
    return sorted(call.axis(a, rank) for a in axes), keep, False


def _shown(call: Call, axes: list[int] | None) -> list[int] | tuple[int, ...]:
    """Return the axes as they are written: the last one alone is -1."""
    rank = call.rank(0)
    listed = list(range(rank) if axes is None else axes)
    return [-1] if listed == [rank - 1] and rank > 2 else listed


_ALONE = {
    "ReduceL1": ("torch.abs(x)", "ops.abs(x)"),
    "ReduceL2": ("torch.abs(x)", "ops.abs(x)"),
    "ReduceSumSquare": ("torch.square(x)", "ops.square(x)"),
    "ReduceLogSum": ("torch.log(x)", "ops.log(x)"),
}


@pytorch(*_REDUCTIONS)
def reduction(call: Call) -> ast.expr:
    """A reduction, in the dtype of its input."""
    op, dtype, x = call.node.op_type, call.dtype(0), call.tensor(0)
    shown: Any
    if call.version >= _AXES_AS_INPUT[op] and call.has(1) and call.constant(1) is None:
        shown, keep, nothing = _computed_axes(call), bool(call.attribute("keepdims", 1)), False
    else:
        axes, keep, nothing = _axes(call)
        shown = [] if nothing else _shown(call, axes)
    if nothing or (isinstance(shown, list) and not shown):
        return code(_ALONE[op][0], x=x) if op in _ALONE else x
    if op in ("ReduceMax", "ReduceMin") and any(call.size(0, a) == 0 for a in range(call.rank(0))):
        return _of_nothing(call, x)
    if op in ("ReduceMax", "ReduceMin") and dtype == "uint64":
        call.refuse("of uint64: PyTorch compares int64 at most")
    floating = dtype in ("float16", "bfloat16", "float32", "float64")
    if dtype == "bool" or dtype in ("uint16", "uint32", "uint64"):
        x = code("x.to(torch.int64)", x=x)
    if not floating and op in ("ReduceMean", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"):
        x = code("x.to(torch.float64)", x=x)
    if not isinstance(shown, list) and call.attribute("noop_with_empty_axes", 0):
        call.refuse("axes that are computed at run time and may be none")
    tree = code(_REDUCTIONS[op][0], x=x, a=_index(shown), k=True if keep else OMIT)
    return (
        tree
        if floating or (dtype == "int64" and op in (*_SUMS, "ReduceMax", "ReduceMin"))
        else code("x.to(d)", x=tree, d=call.dtype_name(dtype))
    )


def _of_nothing(call: Call, x: ast.expr) -> ast.expr:
    """Return the largest or smallest of no numbers: the end of the dtype, or again nothing."""
    _, shape = fields_of(call.node.outputs[0])
    if shape is None or not all(isinstance(n, int) for n in shape):
        call.refuse("of an empty axis, to a shape that is known at run time only")
    kind, is_max = call.dtype(0), call.node.op_type == "ReduceMax"
    end: Any
    if "float" in kind:
        end = code("-float('inf')" if is_max else "float('inf')")
    elif kind == "bool":
        end = not is_max
    else:
        end = int(np.iinfo(kind).min if is_max else np.iinfo(kind).max)
    return code("x.new_full(s, v)", x=x, s=tuple(shape), v=end)


def _index(axes: Any) -> Any:
    """Return axes as an argument: one alone as a number, several as a tuple."""
    if not isinstance(axes, list):
        return axes
    return axes[0] if len(axes) == 1 else tuple(axes)


def _computed_axes(call: Call) -> ast.expr:
    """Return axes that are known at run time only; none at all means all of them."""
    axes = call.let("axes", call.int_tuple(1))
    return code("a or tuple(range(n))", a=axes, n=call.rank(0))


@mindspore(*_REDUCTIONS)
def reduction_mindspore(call: Call) -> ast.expr:
    """A reduction, in the dtype of its input; MindSpore's CPU reduces floats and some integers."""
    op, dtype, x = call.node.op_type, call.dtype(0), call.tensor(0)
    shown: Any
    if call.version >= _AXES_AS_INPUT[op] and call.has(1) and call.constant(1) is None:
        if call.attribute("noop_with_empty_axes", 0):
            call.refuse("axes that are computed at run time and may be none")
        shown, keep = _computed_axes(call), bool(call.attribute("keepdims", 1))
    else:
        axes, keep, nothing = _axes(call)
        shown = tuple(_shown(call, axes))
        if nothing or not shown:
            return code(_ALONE[op][1], x=x) if op in _ALONE else x
    if any(call.size(0, a) == 0 for a in range(call.rank(0))):
        call.refuse("of an empty axis")
    if op in ("ReduceMax", "ReduceMin") and dtype == "uint64":
        call.refuse("of uint64: MindSpore compares int64 at most")
    floating = dtype in ("float16", "float32", "float64")
    if not floating:
        inner = (
            "int64"
            if dtype in ("bool", "int8", "int16", "int32", "int64", "uint8")
            and op in (*_SUMS, "ReduceMax", "ReduceMin")
            else "float64"
        )
        x = code(f"x.to(mindspore.{inner})", x=x)
    if op in ("ReduceMax", "ReduceMin") and not floating:
        name = "ops.ReduceMax" if op == "ReduceMax" else "ops.ReduceMin"
        tree = code(f"{name}(keep_dims=k)(x, a)", x=x, a=shown, k=keep)
        return code("x.to(d)", x=tree, d=call.dtype_name(dtype))
    tree = code(_REDUCTIONS[op][1], x=x, a=shown, k=True if keep else OMIT)
    return tree if floating else code("x.to(d)", x=tree, d=call.dtype_name(dtype))


@both("ReduceProd")
def product(call: Call) -> ast.expr:
    """The product, an axis at a time."""
    x, dtype = call.tensor(0), call.dtype(0)
    if call.target == "mindspore" and any(call.size(0, a) == 0 for a in range(call.rank(0))):
        call.refuse("of an empty axis")
    if call.version >= 18 and call.has(1) and call.constant(1) is None:
        if call.attribute("noop_with_empty_axes", 0):
            call.refuse("axes that are computed at run time and may be none")
        product_ = code(
            "f(x, a, k)",
            f=call.function("product"),
            x=x,
            a=call.int_tuple(1),
            k=bool(call.attribute("keepdims", 1)),
        )
        return code("x.to(d)", x=product_, d=call.dtype_name(dtype))
    axes, keep, nothing = _axes(call)
    if nothing:
        return x
    for axis in sorted(range(call.rank(0)) if axes is None else axes, reverse=True):
        kind = "x.prod(dim=a, keepdim=k)" if call.target == "pytorch" else "ops.prod(x, axis=a, keep_dims=k)"
        x = code(kind, x=x, a=axis, k=True if keep else OMIT)
    integral = dtype not in ("float16", "bfloat16", "float32", "float64", "int64")
    return code("x.to(d)", x=x, d=call.dtype_name(dtype)) if integral else x


@both("ArgMax", "ArgMin")
def arg_extreme(call: Call) -> ast.expr:
    """Where the largest or least lies: the first, or the last."""
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", 0), rank)
    keep, last = call.attribute("keepdims", 1), call.attribute("select_last_index", 0)
    x = call.tensor(0)
    name = call.node.op_type.lower()
    if call.target == "mindspore":
        x = (
            code("x.to(mindspore.float64)", x=x)
            if call.dtype(0) not in ("float16", "float32", "float64")
            else x
        )
        if call.dtype(0) in ("int64", "uint64"):
            call.refuse("of 64-bit integers, which MindSpore's CPU does not compare exactly")
    if last:
        size = call.size(0, axis)
        if size is None:
            call.refuse("select_last_index along a free axis")
        flipped = code(
            "torch.flip(x, dims=[a])" if call.target == "pytorch" else "ops.flip(x, (a,))", x=x, a=axis
        )
        found = _argument(call, name, flipped, axis, keep)
        return code("n - x", n=size - 1, x=found)
    return _argument(call, name, x, axis, keep)


def _argument(call: Call, name: str, x: ast.expr, axis: int, keep: int) -> ast.expr:
    if call.target == "pytorch":
        return code(f"torch.{name}(x, dim=a, keepdim=k)", x=x, a=axis, k=True if keep else OMIT)
    found = code(f"ops.{name}(x, a, k)", x=x, a=axis, k=bool(keep))
    return code("x.to(mindspore.int64)", x=found)


@both("CumSum")
def cumsum(call: Call) -> ast.expr:
    """Sums up to each place, from either end, with or without it."""
    return _cumulated(call, "cumsum")


@both("CumProd")
def cumprod(call: Call) -> ast.expr:
    """Products up to each place, from either end, with or without it."""
    return _cumulated(call, "cumprod")


def _cumulated(call: Call, kind: str) -> ast.expr:
    exclusive, backwards = call.attribute("exclusive", 0), call.attribute("reverse", 0)
    x, dtype = call.tensor(0), call.dtype(0)
    if call.constant(1) is None:
        module = "torch" if call.target == "pytorch" else "mindspore.ops"
        return code(
            f"f(x, a, {module}.{kind}, exclusive=e, backwards=b)",
            x=x,
            f=call.function("cumulated"),
            a=call.scalar(1),
            e=bool(exclusive),
            b=bool(backwards),
        )
    axis = call.axis(int(call.array(1).reshape(-1)[0]), call.rank(0))
    if call.target == "pytorch":
        if backwards:
            x = code("torch.flip(x, dims=[a])", x=x, a=axis)
        done = code(f"torch.{kind}(x, dim=a)", x=x, a=axis)
        if dtype not in ("float16", "bfloat16", "float32", "float64", "int64"):
            done = code(f"torch.{kind}(x, dim=a, dtype=d)", x=x, a=axis, d=call.dtype_name(dtype))
        if exclusive:
            pads = [0] * (2 * (call.rank(0) - 1 - axis)) + [1, -1]
            done = code("F.pad(x, p, value=v)", x=done, p=tuple(pads), v=OMIT if kind == "cumsum" else 1)
        return code("torch.flip(x, dims=[a])", x=done, a=axis) if backwards else done
    if backwards:
        x = code("ops.flip(x, (a,))", x=x, a=axis)
    done = code(f"ops.{kind}(x, a)", x=x, a=axis)
    if exclusive:
        size = call.size(0, axis)
        if size is None:
            call.refuse("exclusive along a free axis")
        done = call.let("x", done)
        head: list[ast.expr] = [ast.Slice() for _ in range(axis)]
        first = ast.Subscript(
            done, ast.Tuple([*head, ast.Slice(None, ast.Constant(1))], ast.Load()), ast.Load()
        )
        rest = ast.Subscript(
            done,
            ast.Tuple([*head, ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1)))], ast.Load()),
            ast.Load(),
        )
        fill = "ops.zeros_like(f)" if kind == "cumsum" else "ops.ones_like(f)"
        done = code(f"ops.cat([{fill}, r], axis=a)", f=first, r=rest, a=axis)
    done = code("ops.flip(x, (a,))", x=done, a=axis) if backwards else done
    return code("x.to(d)", x=done, d=call.dtype_name(dtype))
