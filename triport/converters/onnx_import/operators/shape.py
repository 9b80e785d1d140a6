"""Operators that move elements and compute nothing."""

from __future__ import annotations

import ast
from functools import reduce
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code, literal, turned
from triport.converters.onnx_import.values import Known, Variable, number

from . import both, mindspore, pytorch
from .resize import is_own

_WIDE = ("uint16", "uint32", "uint64")


@both("Reshape", since=5)
def reshape(call: Call) -> ast.expr:
    """Another shape of the same elements; a size of 0 is the input's, unless allowzero."""
    allow_zero = call.attribute("allowzero", 0)
    sizes = call.ints(1)
    x = call.tensor(0)
    if sizes is None:
        if allow_zero:
            return code("x.reshape(s)", x=x, s=call.int_tuple(1))
        x = call.let("x", x)
        template = "x.reshape([n if n else x.shape[i] for i, n in enumerate(s)])"
        return code(template, x=x, s=_listed(call, 1))
    if allow_zero:
        if any(isinstance(n, int) and n == 0 for n in sizes):
            return _reshaped_empty(call, sizes)
        return code("x.reshape(*s)", x=x, s=sizes or [()])
    given = call.shape(0)
    if not any(isinstance(n, int) and n == 0 for n in sizes):
        x = _before_reshape(call) or x
    else:
        x = call.let("x", x)
        filled = []
        for i, n in enumerate(sizes):
            same = given[i] if given is not None and i < len(given) else None
            zero = isinstance(n, int) and n == 0
            filled.append((same if isinstance(same, int) else code("x.shape[i]", x=x, i=i)) if zero else n)
        sizes = filled
    out = call.output_shape()
    if out is not None and len(out) == len(sizes):
        sizes = [
            o if n == -1 and isinstance(o, int) and isinstance(n, int) and _all_known(sizes) else n
            for n, o in zip(sizes, out, strict=True)
        ]
    return code("x.reshape(*s)", x=x, s=sizes or [()])


def _before_reshape(call: Call) -> ast.expr | None:
    """Return what a reshape was given whose elements only this one reads; or None."""
    value = call.node.inputs[0]
    first = value.producer()
    if first not in call.body.nodes or first.op_type != "Reshape" or first.domain not in ("", "ai.onnx"):
        return None
    readers = [use.node for use in value.uses() if use.node is not call.node]
    if value.is_graph_output() or any(node.op_type != "Shape" for node in readers):
        return None
    before = call.body.reps.get(first.inputs[0])
    return call.body.tensor(before, first.inputs[0]) if isinstance(before, Variable) else None


def _all_known(sizes: list[Any]) -> bool:
    return all(isinstance(n, int) for n in sizes)


def _reshaped_empty(call: Call, sizes: list[Any]) -> ast.expr:
    if any(isinstance(n, int) and n == -1 for n in sizes):
        call.refuse("allowzero with both 0 and -1")
    return code("x.reshape(s)", x=call.tensor(0), s=tuple(sizes))


def _listed(call: Call, index: int) -> ast.expr:
    return code("x.tolist()" if call.target == "pytorch" else "x.asnumpy().tolist()", x=call.tensor(index))


@both("Flatten")
def flatten(call: Call) -> ast.expr:
    """To two axes."""
    rank = call.rank(0)
    axis = call.attribute("axis", 1)
    if not -rank <= axis <= rank:
        call.refuse(f"axis {axis} is out of range for rank {rank}")
    axis = axis + rank if axis < 0 else axis
    shape = call.shape(0) or []
    x = call.tensor(0)
    if axis == 1 and rank > 1 and call.target == "pytorch":
        return x if rank == 2 else code("torch.flatten(x, 1)", x=x)
    if axis == 0:
        return code("x.reshape(1, -1)", x=x)
    if axis == rank:
        return code("x.reshape(-1, 1)", x=x)
    first, last = shape[:axis], shape[axis:]
    if all(isinstance(n, int) for n in last):
        return code("x.reshape(-1, n)", x=x, n=int(np.prod([n for n in last if isinstance(n, int)])))
    if axis == 1 or all(isinstance(n, int) for n in first):
        if axis == 1:
            x = call.let("x", x)
            return code("x.reshape(x.shape[0], -1)", x=x)
        return code("x.reshape(n, -1)", x=x, n=int(np.prod([n for n in first if isinstance(n, int)])))
    x = call.let("x", x)
    rows, columns = (_product(x, shape, axes) for axes in (range(axis), range(axis, rank)))
    return code("x.reshape(r, c)", x=x, r=rows, c=columns)


def _product(x: ast.expr, shape: list[int | str | None], axes: range) -> ast.expr:
    """Return the product of the sizes of these axes."""
    known = int(np.prod([n for n in (shape[i] for i in axes) if isinstance(n, int)]))
    free = [code("x.shape[i]", x=x, i=i) for i in axes if not isinstance(shape[i], int)]
    return reduce(lambda a, b: code("a * b", a=a, b=b), [*free, *([literal(known)] if known != 1 else [])])


@both("Transpose")
def transpose(call: Call) -> ast.expr:
    """Axes in another order."""
    rank = call.rank(0)
    order = call.attribute("perm", None)
    order = list(range(rank))[::-1] if order is None else [call.axis(a, rank) for a in order]
    if sorted(order) != list(range(rank)):
        call.refuse("attribute perm is no order of the axes")
    x = call.tensor(0)
    if order == sorted(order):
        return x
    swapped = [i for i in range(rank) if order[i] != i]
    if len(swapped) == 2:
        first, last = swapped
        if rank > 2 and last == rank - 1:
            first, last = first - rank if first == rank - 2 else first, -1
        if call.target == "pytorch":
            if rank == 2:
                return turned(x)
            return code("x.transpose(a, b)", x=x, a=first, b=last)
        return code("x.swapaxes(a, b)", x=x, a=first, b=last)
    return code(
        "x.permute(*o)" if call.target == "pytorch" else "ops.transpose(x, o)",
        x=x,
        o=order if call.target == "pytorch" else tuple(order),
    )


@both("Squeeze")
def squeeze(call: Call) -> ast.expr:
    """Axes of size 1 taken out."""
    if call.target == "pytorch" and call.version >= 13 and call.has(1) and call.constant(1) is None:
        return code("x.squeeze(a)", x=call.tensor(0), a=call.int_tuple(1))
    axes = call.axes(1, 13)
    x, shape = call.tensor(0), call.shape(0)
    if axes is None:
        if shape is None or not all(isinstance(n, int) for n in shape):
            return code("x.squeeze()", x=x)
        return code("x.reshape(s)", x=x, s=tuple(n for n in shape if n != 1))
    rank = call.rank(0)
    axes = sorted(call.axis(a, rank) for a in axes)
    for axis in axes:
        size = call.size(0, axis)
        if size not in (1, None):
            call.refuse(f"axis {axis} is of size {size}")
    for axis in reversed(axes):
        x = code("x.squeeze(a)", x=x, a=axis if axis < rank - 1 or rank == 1 else -1)
    return x


@both("Unsqueeze")
def unsqueeze(call: Call) -> ast.expr:
    """Axes of size 1 put in."""
    if call.version >= 13 and call.has(1) and call.constant(1) is None:
        return code("f(x, a)", f=call.function("unsqueeze"), x=call.tensor(0), a=call.int_tuple(1))
    axes = call.axes(1, 13)
    if axes is None:
        call.refuse("no axes are given")
    rank = call.rank(0) + len(axes)
    axes = sorted(call.axis(a, rank) for a in axes)
    if len(set(axes)) != len(axes):
        call.refuse("an axis is given twice")
    x = call.tensor(0)
    kind = "x.unsqueeze(a)" if call.target == "pytorch" else "ops.unsqueeze(x, a)"
    for axis in axes:
        x = code(kind, x=x, a=axis)
    return x


@both("Expand")
def expand(call: Call) -> ast.expr:
    """Repeat along axes of size 1, in both directions of broadcasting."""
    sizes, shape = call.ints(1), call.shape(0)
    filled = _filled(call, sizes)
    if filled is not None:
        return filled
    x = call.tensor(0)
    if sizes is None or shape is None:
        if call.target == "mindspore":
            return code("f(x, s)", f=call.function("expand"), x=x, s=call.int_tuple(1))
        x = call.let("x", x)
        template = "x.expand(torch.broadcast_shapes(x.shape, s))"
        return code(template, x=x, s=call.int_tuple(1))
    rank = max(len(sizes), len(shape))
    wanted: list[Any] = [1] * (rank - len(sizes)) + list(sizes)
    given: list[Any] = [1] * (rank - len(shape)) + list(shape)
    if all(w == 1 if isinstance(w, int) else False for w in wanted) and len(shape) == rank:
        return x
    final = [_broadcast(w, g) for w, g in zip(wanted, given, strict=True)]
    for axis, length in enumerate(wanted[rank - len(shape) :], rank - len(shape)):
        if final[axis] is None and is_own(call, length, axis - rank + len(shape)):
            final[axis] = -1
    if None in final:  # either of the two may be the longer one
        if call.target == "mindspore":
            return code("f(x, s)", f=call.function("expand"), x=x, s=tuple(sizes))
        x = call.let("x", x)
        return code("x.expand(torch.broadcast_shapes(x.shape, s))", x=x, s=tuple(sizes))
    if call.target == "pytorch":
        return code("x.expand(*s)", x=x, s=final)
    return code("ops.broadcast_to(x, s)", x=x, s=tuple(final))


def _filled(call: Call, sizes: list[int | ast.expr] | None) -> ast.expr | None:
    """Return a tensor of one number, which a number that is expanded is, or None."""
    rep = call.rep(0)
    if not isinstance(rep, Known) or rep.array.ndim or rep.array.dtype.kind not in "fib" or not sizes:
        return None
    template = "torch.full(s, v, dtype=d)" if call.target == "pytorch" else "ops.full(s, v, dtype=d)"
    return code(template, s=tuple(sizes), v=number(rep.array), d=call.dtype_name(call.dtype(0)))


def _broadcast(wanted: Any, given: Any) -> Any:
    """Return the length of an axis that is expanded, -1 for its own, None where sizes alone decide."""
    if isinstance(given, int):
        return wanted if given == 1 else given
    if isinstance(wanted, int):
        return -1 if wanted == 1 else wanted
    return None


@both("Tile", since=6)
def tile(call: Call) -> ast.expr:
    """Repeat the whole along its axes."""
    x = call.tensor(0)
    repeats = call.ints(1)
    kind = "x.repeat(s)" if call.target == "pytorch" else "ops.tile(x, s)"
    return code(kind, x=x, s=literal(tuple(repeats)) if repeats is not None else call.int_tuple(1))


@both("Shape")
def shape(call: Call) -> ast.expr:
    """A shape whose rank is not known."""
    start, end = call.attribute("start", 0), call.attribute("end", None)
    part = ast.Slice(literal(start) if start else None, literal(end) if end is not None else None)
    kind = "torch.tensor(s)" if call.target == "pytorch" else "mindspore.Tensor(s, dtype=mindspore.int64)"
    sizes = code("x.shape", x=call.tensor(0))
    return code(kind, s=sizes if not start and end is None else ast.Subscript(sizes, part, ast.Load()))


@both("Size")
def size(call: Call) -> ast.expr:
    """How many elements there are."""
    if call.target == "pytorch":
        return code("torch.tensor(x.numel())", x=call.tensor(0))
    return code("mindspore.Tensor(x.size, dtype=mindspore.int64)", x=call.tensor(0))


@pytorch("Trilu")
def trilu(call: Call) -> ast.expr:
    """The upper or the lower triangle."""
    kind = "torch.triu" if call.attribute("upper", 1) else "torch.tril"
    if call.dtype(0) in _WIDE:
        call.refuse(f"PyTorch has no triangle of {call.dtype(0)}")
    diagonal = call.scalar(1) if call.has(1) else literal(0)
    plain = isinstance(diagonal, ast.Constant) and diagonal.value == 0
    return code(f"{kind}(x, d)" if not plain else f"{kind}(x)", x=call.tensor(0), d=diagonal)


@mindspore("Trilu")
def trilu_mindspore(call: Call) -> ast.expr:
    """The upper or the lower triangle."""
    kind = "ops.triu" if call.attribute("upper", 1) else "ops.tril"
    diagonal = call.scalar(1) if call.has(1) else literal(0)
    return code(f"{kind}(x, d)", x=call.tensor(0), d=diagonal)
