"""Parts along axes: put together, split, cut out."""

from __future__ import annotations

import ast
import itertools
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code, literal
from triport.reference_models.errors import counted

from . import both


@both("Concat", since=4)
def concat(call: Call) -> ast.expr:
    """One after the other along an axis."""
    axis = call.attribute("axis")
    kind = "torch.cat(xs, dim=a)" if call.target == "pytorch" else "ops.cat(xs, axis=a)"
    tensors = [call.tensor(i) for i in range(call.count)]
    return tensors[0] if len(tensors) == 1 else code(kind, xs=tensors, a=axis)


@both("Split", since=2)
def split(call: Call) -> ast.expr:
    """Parts along an axis."""
    axis = call.attribute("axis", 0)
    count = len(call.node.outputs)
    sizes: Any = call.attribute("split", None) if call.version < 13 else None
    if call.version >= 13 and call.has(1):
        sizes = call.ints(1)
        if sizes is None and call.target == "pytorch":
            return code(
                "torch.split(x, s, dim=a)", x=call.tensor(0), s=code("list(s)", s=call.int_tuple(1)), a=axis
            )
        if sizes is None:
            call.refuse("the sizes of the parts are computed at run time")
    stated = call.attribute("num_outputs", None) if call.version >= 18 else None
    x = call.tensor(0)
    if sizes is None:
        size = call.size(0, axis)
        parts = stated or count
        if parts != count:
            call.refuse(f"num_outputs is {parts}, but there are {counted(count, 'output')}")
        if size is None:
            if call.target == "pytorch" and call.version < 18:
                return code("torch.chunk(x, n, dim=a)", x=x, n=parts, a=axis)
            if call.target == "pytorch":
                x = call.let("x", x)
                return code("x.split(-(-x.shape[a] // n), dim=a)", x=x, n=parts, a=axis)
            call.refuse("the axis is free, and no sizes are given")
        step = -(-size // parts)
        sizes = [max(0, min(step, size - i * step)) for i in range(parts)]
    if len(sizes) != count:
        call.refuse(f"{len(sizes)} sizes are given for {counted(count, 'output')}")
    if call.target == "pytorch":
        equal = all(isinstance(n, int) and n == sizes[0] for n in sizes) and sizes[0] != 0
        if equal and call.size(0, axis) == count * sizes[0]:
            return code("x.chunk(n, dim=a)", x=x, n=count, a=axis)
        return code("torch.split(x, s, dim=a)", x=x, s=sizes[0] if equal else list(sizes), a=axis)
    x = call.let("x", x)
    if any(not isinstance(n, int) for n in sizes):
        call.refuse("the sizes of the parts are computed at run time")
    rank = call.rank(0)
    axis = call.axis(axis, rank)
    starts = np.cumsum([0, *sizes])
    if len(set(sizes)) == 1 and call.size(0, axis) == sum(sizes):
        return code("ops.chunk(x, n, axis=a)", x=x, n=count, a=axis)
    parts_: list[Any] = [
        code("x[s]", x=x, s=_at(axis, code("slice(a, b)", a=int(a), b=int(b))))
        for a, b in itertools.pairwise(starts)
    ]
    return tuple(parts_)  # type: ignore[return-value]


def _at(axis: int, tree: ast.expr) -> ast.expr:
    """Return an index that is the tree on one axis and everything on those before."""
    steps: list[ast.expr] = [ast.Slice() for _ in range(axis)]
    if isinstance(tree, ast.Call):
        tree = ast.Slice(tree.args[0], tree.args[1])
    return ast.Tuple([*steps, tree], ast.Load()) if axis else tree


@both("Slice")
def slice_(call: Call) -> ast.expr:
    """A part along axes, with steps."""
    if call.version >= 10:
        unknown = any(call.has(i) and call.constant(i) is None for i in (3, 4))
        if unknown or (
            call.has(4) and call.array(4).size and call.array(4).min() < 0 and call.ints(1) is None
        ):
            return code(
                "f(x, s, e, a, t)",
                f=call.function("slice_axes"),
                x=call.tensor(0),
                s=call.int_tuple(1),
                e=call.int_tuple(2),
                a=call.int_tuple(3) if call.has(3) else None,
                t=call.int_tuple(4) if call.has(4) else None,
            )
    if call.version < 10:
        starts: Any = call.attribute("starts")
        ends: Any = call.attribute("ends")
        axes: Any = call.attribute("axes", None)
        steps: Any = None
    else:
        starts, ends = call.ints(1), call.ints(2)
        if starts is None:
            starts = _scalars(call, 1)
        if ends is None:
            ends = _scalars(call, 2)
        axes = [int(n) for n in call.array(3).reshape(-1)] if call.has(3) else None
        steps = [int(n) for n in call.array(4).reshape(-1)] if call.has(4) else None
    axes = list(range(len(starts))) if axes is None else axes
    from_the_front = all(a >= 0 for a in axes)  # then the rank need not be known
    if call.shape(0) is not None or not from_the_front:
        axes = [call.axis(a, call.rank(0)) for a in axes]
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(set(axes)) != len(axes):
        call.refuse("starts, ends, axes and steps do not fit one another")
    x = call.tensor(0)
    index: dict[int, ast.expr] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:
            x = _reversed(call, x, axis, start, end, step)
            continue
        if step == 0:
            call.refuse("a step of 0")
        lower = None if isinstance(start, int) and start == 0 else literal(start)
        size = call.size(0, axis)
        whole = isinstance(end, int) and (end >= 2**31 - 1 or (size is not None and end >= size))
        if lower is None and whole and step == 1:
            continue
        index[axis] = ast.Slice(lower, None if whole else literal(end), literal(step) if step != 1 else None)
    if not index:
        return x
    members = [index.get(i, ast.Slice()) for i in range(max(index) + 1)]
    first = min(index)
    rank = len(call.shape(0) or ())
    if first == rank - 1 and rank > 2:
        members = [ast.Constant(...), index[first]]
    tree: ast.expr = members[0] if len(members) == 1 else ast.Tuple(members, ast.Load())
    return ast.Subscript(x, tree, ast.Load())


def _scalars(call: Call, index: int) -> list[ast.expr]:
    """Return the elements of a tensor that is computed at run time as numbers."""
    shape = call.shape(index)
    if shape is None or len(shape) != 1 or not isinstance(shape[0], int):
        call.refuse(f"how many numbers input {index} has is not known")
    tensor = call.let("x", call.tensor(index))
    return [code("int(x[i])", x=tensor, i=i) for i in range(shape[0])]


def _reversed(call: Call, x: ast.expr, axis: int, start: Any, end: Any, step: int) -> ast.expr:
    """Return a part that runs backwards: turned round, then with a positive step."""
    size = call.size(0, axis)
    if size is None or not isinstance(start, int) or not isinstance(end, int):
        call.refuse("a negative step along a free axis")
    chosen = list(range(size))[_clamped(start, size) : _stop(end, size) : step] if size else []
    kind = "torch.flip(x, dims=[a])" if call.target == "pytorch" else "ops.flip(x, (a,))"
    flipped = code(kind, x=x, a=axis)
    if not chosen:
        first, last = 0, 0
    else:
        first, last = size - 1 - chosen[0], size - chosen[-1]
    if (first, last, step) == (0, size, -1):
        return flipped
    part = ast.Slice(literal(first), literal(last), literal(-step) if step != -1 else None)
    members: list[ast.expr] = [*(ast.Slice() for _ in range(axis)), part]
    return ast.Subscript(flipped, ast.Tuple(members, ast.Load()) if axis else part, ast.Load())


def _clamped(start: int, size: int) -> int:
    start = start + size if start < 0 else start
    return min(max(start, 0), size - 1)


def _stop(end: int, size: int) -> int | None:
    end = end + size if end < 0 else end
    return None if end < 0 else min(end, size)
