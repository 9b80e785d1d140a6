"""Gather, scatter, and what finds places."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, literal
from triport.converters.onnx_import.signs import is_never_negative
from triport.converters.onnx_import.values import Known, Variable

from . import both, mindspore, pytorch

_WIDE = ("uint16", "uint32", "uint64")


def _index(call: Call, index: int, x: int, axis: int) -> ast.expr:
    """Return indices as int64 without negative ones."""
    known = call.constant(index)
    size = call.size(x, axis)
    tensor = call.tensor(index)
    if known is not None:
        if size is not None and known.size and not -size <= known.min() <= known.max() < size:
            call.refuse(f"an index is out of range for an axis of {size}")
        if known.size and known.min() < 0:
            if size is None:
                data = call.let("x", call.tensor(x))
                return code("i % x.shape[a]", i=tensor, x=data, a=axis)
            wrapped = np.where(known < 0, known + size, known).astype(np.int64)
            return call.body.tensor(Known(wrapped), call.node.inputs[index])
        if known.dtype != np.int64:
            return call.body.tensor(Known(known.astype(np.int64)), call.node.inputs[index])
        return tensor
    wide = "torch.int64" if call.target == "pytorch" else "mindspore.int64"
    if call.dtype(index) != "int64":
        tensor = code(f"i.to({wide})", i=tensor)
    if is_never_negative(call.node.inputs[index]):
        return tensor
    shown: Any = size if size is not None else code("x.shape[a]", x=call.let("x", call.tensor(x)), a=axis)
    tensor = call.let("indices", tensor)
    kind = "torch.where(i < 0, i + n, i)" if call.target == "pytorch" else "ops.where(i < 0, i + n, i)"
    return code(kind, i=tensor, n=shown)


@both("Gather")
def gather(call: Call) -> ast.expr:
    """Rows by their indices; of a constant table by computed indices an embedding."""
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", 0), rank)
    known, table = call.constant(1), call.rep(0)
    x = call.tensor(0) if not isinstance(table, Known) else None
    if known is not None and x is not None and known.ndim == 0:
        index = int(known)
        size = call.size(0, axis)
        if size is not None and not -size <= index < size:
            call.refuse(f"index {index} is out of range for an axis of {size}")
        if axis == rank - 1 and rank > 2:
            return ast.Subscript(x, ast.Tuple([ast.Constant(...), literal(index)], ast.Load()), ast.Load())
        members: list[ast.expr] = [*(ast.Slice() for _ in range(axis)), literal(index)]
        return ast.Subscript(x, ast.Tuple(members, ast.Load()) if axis else members[0], ast.Load())
    if isinstance(table, Known) and known is None and axis == 0 and table.array.ndim == 2 and table.trained:
        found = _embedding(call, table)
        if found is not None:
            return found
    index_tree = _index(call, 1, 0, axis)
    data = call.tensor(0)
    index_rank = call.rank(1)
    if call.target == "pytorch":
        if index_rank == 1 and call.dtype(0) not in _WIDE:
            return code("x.index_select(a, i)", x=data, a=axis, i=index_tree)
        if axis == 0:
            return code("x[i]", x=data, i=index_tree)
        slices: list[ast.expr] = [*(ast.Slice() for _ in range(axis)), index_tree]
        return ast.Subscript(data, ast.Tuple(slices, ast.Load()), ast.Load())
    return code("ops.gather(x, i, a)", x=data, i=index_tree, a=axis)


def _embedding(call: Call, table: Known) -> ast.expr | None:
    """Return an embedding; negative indices count from the end."""
    rows, features = table.array.shape
    if str(table.array.dtype) != "float32":
        return None
    leaf = "weight" if call.target == "pytorch" else "embedding_table"
    constructor = code("nn.Embedding(n, f)", n=rows, f=features)
    path = call.body.layer_path("embedding", constructor, {leaf: table})
    if path is None:
        return None
    return code("f(i)", f=call.body.member(path), i=_index(call, 1, 0, 0))


@both("GatherElements")
def gather_elements(call: Call) -> ast.expr:
    """Element by element along an axis."""
    axis = call.axis(call.attribute("axis", 0), call.rank(0))
    index = _index(call, 1, 0, axis)
    if call.target == "pytorch":
        shape, indices = call.shape(0), call.shape(1)
        tree = code("torch.gather(x, a, i)", x=call.tensor(0), a=axis, i=index)
        del shape, indices
        return tree
    return code("ops.gather_elements(x, a, i)", x=call.tensor(0), a=axis, i=index)


@both("GatherND")
def gather_nd(call: Call) -> ast.expr:
    """By tuples of indices."""
    batch = call.attribute("batch_dims", 0)
    rank, index_rank = call.rank(0), call.rank(1)
    depth = call.size(1, index_rank - 1)
    if depth is None:
        call.refuse("how many indices a tuple has is not known")
    index = call.let("indices", call.tensor(1))
    x = call.tensor(0)
    if batch == 0:
        if call.target == "mindspore":
            x = call.let("x", x)
            sizes = code("mindspore.Tensor(x.shape[:n], dtype=i.dtype)", x=x, n=depth, i=index)
            return code("ops.gather_nd(x, ops.where(i < 0, i + s, i))", x=x, i=index, s=sizes)
        if depth == 0:
            call.refuse("empty tuples of indices")
        parts = [code("i[..., n]", i=index, n=n) for n in range(depth)]
        return ast.Subscript(x, ast.Tuple(parts, ast.Load()) if len(parts) > 1 else parts[0], ast.Load())
    if depth == 0 or batch + depth > rank:
        call.refuse("empty tuples of indices, or more of them than there are axes after batch_dims")
    if call.target == "mindspore":
        return code("f(x, i, n)", f=call.function("gather_by_batch"), x=x, i=index, n=batch)
    x = call.let("x", x)
    steps: list[ast.expr] = []
    for b in range(batch):
        shape = [1] * (index_rank - 1)
        shape[b] = -1
        steps.append(code("torch.arange(x.shape[b], device=x.device).reshape(*s)", x=x, b=b, s=shape))
    steps += [code("i[..., n]", i=index, n=n) for n in range(depth)]
    return ast.Subscript(x, ast.Tuple(steps, ast.Load()), ast.Load())


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@pytorch("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> ast.expr:
    """Elements put along an axis."""
    axis = call.axis(call.attribute("axis", 0), call.rank(0))
    reduction = call.attribute("reduction", "none")
    x, index, updates = call.tensor(0), _index(call, 1, 0, axis), call.tensor(2)
    if reduction == "none":
        return code("x.scatter(a, i, u)", x=x, a=axis, i=index, u=updates)
    if reduction not in _REDUCTIONS:
        call.refuse("attribute reduction is unknown")
    return code(
        "x.scatter_reduce(a, i, u, reduce=r)", x=x, a=axis, i=index, u=updates, r=_REDUCTIONS[reduction]
    )


_COMBINED = {"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}


@mindspore("ScatterElements", "Scatter")
def scatter_elements_mindspore(call: Call) -> ast.expr:
    """Elements put, or combined, along an axis.

    Of two that are put at one place the last one counts, as in ONNX Runtime. `ops.tensor_scatter_elements`
    leaves that to its threads; what it adds up is right.
    """
    axis = call.axis(call.attribute("axis", 0), call.rank(0))
    reduction = call.attribute("reduction", "none")
    if reduction not in _COMBINED:
        call.refuse("attribute reduction is unknown")
    x, index, updates = call.tensor(0), _index(call, 1, 0, axis), call.tensor(2)
    if reduction != "add":
        template = f"f(x, i, u, a, ops.tensor_scatter_{_COMBINED[reduction]})"
        return code(template, f=call.function("scatter_along"), x=x, i=index, u=updates, a=axis)
    return code("ops.tensor_scatter_elements(x, i, u, a, r)", x=x, i=index, u=updates, a=axis, r=reduction)


@pytorch("ScatterND")
def scatter_nd(call: Call) -> ast.expr:
    """Slices put by tuples of indices; equal ones are combined if a reduction says how."""
    reduction = call.attribute("reduction", "none")
    index_rank = call.rank(1)
    depth = call.size(1, index_rank - 1)
    if depth is None or depth == 0:
        call.refuse("how many indices a tuple has is not known")
    if reduction != "none" and reduction not in _REDUCTIONS:
        call.refuse("attribute reduction is unknown")
    index = call.let("indices", call.tensor(1))
    parts = tuple(code("i[..., n]", i=index, n=n) for n in range(depth))
    x, updates = call.tensor(0), call.tensor(2)
    if reduction in ("none", "add"):
        return code(
            "x.index_put(p, u, accumulate=c)", x=x, p=parts, u=updates, c=True if reduction == "add" else OMIT
        )
    return code(
        "f(x, i, u, r)", f=call.function("scatter_slices"), x=x, i=index, u=updates, r=_REDUCTIONS[reduction]
    )


@mindspore("ScatterND")
def scatter_nd_mindspore(call: Call) -> ast.expr:
    """Slices put by tuples of indices."""
    reduction = call.attribute("reduction", "none")
    if reduction not in _COMBINED:
        call.refuse("attribute reduction is unknown")
    known, index = call.constant(1), call.tensor(1)
    x = call.tensor(0)
    if known is None or (known.size and known.min() < 0):  # MindSpore takes none from the end
        depth = call.size(1, call.rank(1) - 1)
        if depth is None or depth == 0:
            call.refuse("how many indices a tuple has is not known")
        x, index = call.let("x", x), call.let("indices", index)
        index = code("ops.where(i < 0, i + mindspore.Tensor(x.shape[:n], i.dtype), i)", i=index, x=x, n=depth)
    return code(
        f"ops.tensor_scatter_{_COMBINED[reduction]}(x, i, u)",
        x=x,
        i=index,
        u=call.tensor(2),
    )


@pytorch("TensorScatter")
def tensor_scatter(call: Call) -> ast.expr:
    """New entries of a cache, written where each sequence of the batch stands."""
    mode, axis = call.attribute("mode", "linear"), call.axis(call.attribute("axis", -2), call.rank(0))
    if mode not in ("linear", "circular"):
        call.refuse("attribute mode is unknown")
    return code(
        "f(x, u, p, axis=a, circular=c)",
        f=call.function("write_cache"),
        x=call.tensor(0),
        u=call.tensor(1),
        p=call.tensor(2) if call.has(2) else None,
        a=axis,
        c=mode == "circular",
    )


@both("OneHot")
def one_hot(call: Call) -> ast.expr:
    """Vectors of one place; an index outside gives none."""
    axis = call.attribute("axis", -1)
    rank = call.rank(0) + 1
    if call.constant(1) is None:
        return code(
            "f(i, n, v, a)",
            f=call.function("one_hot"),
            i=call.tensor(0),
            n=code("int(n)", n=call.scalar(1)),
            v=call.tensor(2),
            a=call.axis(axis, rank),
        )
    depth = call.array(1)
    size = int(depth.reshape(-1)[0])
    axis = call.axis(axis, rank)
    kind = call.dtype_name(call.dtype(2))
    values = call.let("values", call.tensor(2))
    shape = [1] * rank
    shape[axis] = size
    if call.target == "pytorch":
        places = code("torch.arange(n, device=i.device).reshape(s)", n=size, s=tuple(shape), i=values)
        index = call.tensor(0)
        if call.dtype(0) != "int64":
            index = code("x.to(torch.int64)", x=index)
        index = code("x.unsqueeze(a)", x=index, a=axis)
        hit = code("torch.where(i < 0, i + n, i) == p", i=call.let("indices", index), n=size, p=places)
        return code("torch.where(h, v[1], v[0])", h=hit, v=values)
    places = code("ops.arange(0, n, 1).reshape(s)", n=size, s=tuple(shape))
    index = code("ops.unsqueeze(x.to(mindspore.int64), a)", x=call.tensor(0), a=axis)
    hit = code("ops.where(i < 0, i + n, i) == p", i=call.let("indices", index), n=size, p=places)
    return code("ops.where(h, v[1], v[0]).to(d)", h=hit, v=values, d=kind)


@pytorch("TopK")
def top_k(call: Call) -> Any:
    """The largest or least k of an axis; of equal ones the first."""
    axis, rank = call.attribute("axis", -1), call.rank(0)
    axis = call.axis(axis, rank)
    largest = call.attribute("largest", 1) if call.version >= 11 else 1
    call.attribute("sorted", 1)
    count = literal(call.attribute("k")) if call.version < 10 else call.scalar(1)
    dtype = call.dtype(0)
    x = call.tensor(0)
    if dtype in _WIDE:
        call.refuse(f"of {dtype}")
    ordered = call.let(
        "order",
        code("torch.sort(x, dim=a, descending=d, stable=True)", x=x, a=axis, d=True if largest else OMIT),
    )
    return tuple(code("o[i].narrow(a, 0, k)", o=ordered, i=i, a=axis, k=count) for i in (0, 1))


@mindspore("TopK")
def top_k_mindspore(call: Call) -> Any:
    """The largest or least k of an axis; of equal ones the first, which MindSpore's topk does not give."""
    rank = call.rank(0)
    axis = call.axis(call.attribute("axis", -1), rank)
    largest = call.attribute("largest", 1) if call.version >= 11 else 1
    call.attribute("sorted", 1)
    count = literal(call.attribute("k")) if call.version < 10 else call.scalar(1)
    if call.dtype(0) not in ("float32", "float16", "float64", "int32", "int64"):
        call.refuse(f"of {call.dtype(0)}")
    order = call.let("order", code("ops.sort(x, a, d)", x=call.tensor(0), a=axis, d=bool(largest)))
    values, indices = (code("ops.narrow(o[i], a, 0, k)", o=order, i=i, a=axis, k=count) for i in (0, 1))
    return (values, code("i.to(mindspore.int64)", i=indices))


@both("NonZero")
def non_zero(call: Call) -> ast.expr:
    """Where something is, an axis a row."""
    if call.target == "pytorch":
        return code(
            "torch.nonzero(x).T" if call.rank(0) else "torch.nonzero(x.reshape(1)).T[:0]", x=call.tensor(0)
        )
    return code("ops.nonzero(x).T", x=call.tensor(0))


@both("Compress")
def compress(call: Call) -> ast.expr:
    """What a mask keeps along an axis, or of all."""
    axis = call.attribute("axis", None)
    mask = call.let("mask", call.tensor(1))
    x = call.tensor(0)
    if axis is None:
        x = code("x.reshape(-1)", x=x)
    if call.target == "mindspore":
        kept = code("ops.nonzero(m).squeeze(1)", m=mask)
        return code("ops.gather(x, k, a)", x=x, a=0 if axis is None else axis, k=kept)
    kept = code("torch.nonzero(m).squeeze(1)", m=mask)
    return code("x.index_select(a, k)", x=x, a=0 if axis is None else axis, k=kept)


@pytorch("Unique")
def unique(call: Call) -> Any:
    """Each value or slice once, with where it stands first, which it is, and how often it is there."""
    axis, ordered = call.attribute("axis", None), call.attribute("sorted", 1)
    return code(
        "f(x, axis=a, ordered=s)", f=call.function("unique"), x=call.tensor(0), a=axis, s=bool(ordered)
    )


@pytorch("ReverseSequence")
def reverse_sequence(call: Call) -> ast.expr:
    """The first steps of each sequence backwards."""
    batch, time = call.attribute("batch_axis", 1), call.attribute("time_axis", 0)
    return code(
        "f(x, n, b, t)",
        f=call.function("reverse_sequence"),
        x=call.tensor(0),
        n=call.tensor(1),
        b=batch,
        t=time,
    )


@mindspore("ReverseSequence")
def reverse_sequence_mindspore(call: Call) -> ast.expr:
    """The first steps of each sequence backwards."""
    batch, time = call.attribute("batch_axis", 1), call.attribute("time_axis", 0)
    return code("ops.reverse_sequence(x, n, t, b)", x=call.tensor(0), n=call.tensor(1), t=time, b=batch)


@both("EyeLike")
def eye_like(call: Call) -> ast.expr:
    """Ones on a diagonal."""
    call.attribute("dtype", None)
    diagonal = call.attribute("k", 0)
    rows, columns = call.size(0, 0), call.size(0, 1)
    if rows is None or columns is None:
        call.refuse("of a free axis")
    kind = call.dtype_name(call.output_dtype())
    if call.target == "pytorch":
        return code("torch.ones(r, c).tril(k).triu(k).to(d)", r=rows, c=columns, k=diagonal, d=kind)
    return code(
        "ops.triu(ops.tril(ops.ones((r, c), mindspore.float32), k), k).to(d)",
        r=rows,
        c=columns,
        k=diagonal,
        d=kind,
    )


__all__ = ["Variable"]
