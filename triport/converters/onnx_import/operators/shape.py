"""Operators that move elements and compute nothing."""

from __future__ import annotations

import ast
import itertools
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code, literal
from triport.converters.onnx_import.values import Known

from . import both, mindspore, pytorch

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
    if any(isinstance(n, int) and n == 0 for n in sizes):
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
        sizes = _one_free(sizes)
    return code("x.reshape(*s)", x=x, s=sizes or [()])


def _all_known(sizes: list[Any]) -> bool:
    return all(isinstance(n, int) for n in sizes)


def _one_free(sizes: list[Any]) -> list[Any]:
    return sizes


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
    call.refuse("free axes on both sides of the axis")


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
            return code("x.transpose(a, b)", x=x, a=first, b=last) if rank > 2 else code("x.T", x=x)
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
    if all(isinstance(w, int) and isinstance(g, int) for w, g in zip(wanted, given, strict=True)):
        final: list[Any] = [w if g == 1 else g for w, g in zip(wanted, given, strict=True)]
    elif all(
        not (isinstance(w, int) and w == 1) or g == 1 for w, g in zip(wanted, given, strict=True)
    ) and all(g == 1 or isinstance(w, int) for w, g in zip(wanted, given, strict=True)):
        final = wanted
    else:
        if call.target == "mindspore":
            x = call.let("x", x)
            final = [
                w if g == 1 else code("x.shape[i]", x=x, i=i - rank)
                for i, (w, g) in enumerate(zip(wanted, given, strict=True))
            ]
            if any(isinstance(g, str) or g is None for g in given) and any(
                not (isinstance(g, int)) and not (isinstance(w, int) and w == 1)
                for w, g in zip(wanted, given, strict=True)
            ):
                return code("f(x, s)", f=call.function("expand"), x=x, s=tuple(sizes))
        else:
            x = call.let("x", x)
            return code("x.expand(torch.broadcast_shapes(x.shape, s))", x=x, s=tuple(sizes))
    if call.target == "pytorch":
        return code("x.expand(*s)", x=x, s=final)
    return code("ops.broadcast_to(x, s)", x=x, s=tuple(final))


@both("Tile", since=6)
def tile(call: Call) -> ast.expr:
    """Repeat the whole along its axes."""
    x = call.tensor(0)
    repeats = call.ints(1)
    kind = "x.repeat(s)" if call.target == "pytorch" else "ops.tile(x, s)"
    return code(kind, x=x, s=literal(tuple(repeats)) if repeats is not None else call.int_tuple(1))


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
            call.refuse(f"num_outputs is {parts}, but there are {count} outputs")
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
        call.refuse(f"{len(sizes)} sizes are given for {count} outputs")
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
    if any(n == 0 for n in sizes):
        call.refuse("an empty part")
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
    chosen = list(range(size))[_clamped(start, size, -1) : _stop(end, size) : step] if size else []
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


def _clamped(start: int, size: int, _step: int) -> int:
    start = start + size if start < 0 else start
    return min(max(start, 0), size - 1)


def _stop(end: int, size: int) -> int | None:
    end = end + size if end < 0 else end
    return None if end < 0 else min(end, size)


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


@both("DepthToSpace")
def depth_to_space(call: Call) -> ast.expr:
    """Channels to blocks of pixels."""
    size, mode = call.attribute("blocksize"), call.attribute("mode", "DCR")
    x = call.tensor(0)
    if mode == "CRD" and call.target == "pytorch":
        return code("F.pixel_shuffle(x, n)", x=x, n=size)
    if call.rank(0) != 4 or mode not in ("DCR", "CRD"):
        call.refuse(f"rank {call.rank(0)} or mode is not translated")
    x = call.let("x", x)
    first = [size, size, -1] if mode == "DCR" else [-1, size, size]
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    kind = "x.reshape(x.shape[0], *f, *x.shape[2:]).permute(*o)"
    channels = call.size(0, 1)
    if channels is not None:
        first = [n if n != -1 else channels // (size * size) for n in first]
    moved = code(kind, x=x, f=first, o=list(order))
    return code(
        "m.reshape(x.shape[0], c, x.shape[2] * n, x.shape[3] * n)",
        m=moved,
        x=x,
        n=size,
        c=-1 if channels is None else channels // (size * size),
    )


@both("SpaceToDepth")
def space_to_depth(call: Call) -> ast.expr:
    """Blocks of pixels to channels."""
    size = call.attribute("blocksize")
    mode = call.attribute("mode", "DCR")
    if call.rank(0) != 4 or mode not in ("DCR", "CRD"):
        call.refuse("rank or mode is not translated")
    if call.target == "pytorch" and mode == "CRD":
        return code("F.pixel_unshuffle(x, n)", x=call.tensor(0), n=size)
    x = call.let("x", call.tensor(0))
    order = [0, 3, 5, 1, 2, 4] if mode == "DCR" else [0, 1, 3, 5, 2, 4]
    channels = call.size(0, 1)
    moved = code(
        "x.reshape(x.shape[0], c, x.shape[2] // n, n, x.shape[3] // n, n).permute(*o)",
        x=x,
        n=size,
        o=order,
        c=code("x.shape[1]", x=x) if channels is None else channels,
    )
    return code(
        "m.reshape(x.shape[0], c, x.shape[2] // n, x.shape[3] // n)",
        m=moved,
        x=x,
        n=size,
        c=code("x.shape[1] * n", x=x, n=size * size) if channels is None else channels * size * size,
    )


@both("ConstantOfShape")
def constant_of_shape(call: Call) -> Any:
    """A tensor of one value."""
    value = call.attribute("value", np.zeros(1, np.float32))
    from triport.converters.onnx_import.call import number

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
    if call.target == "pytorch":
        return code("torch.arange(a, b, c, dtype=d)", a=start, b=limit, c=delta, d=dtype)
    return code("ops.arange(a, b, c, dtype=d)", a=start, b=limit, c=delta, d=dtype)


__all__ = ["Known"]
