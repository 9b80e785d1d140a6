"""Pools."""

from __future__ import annotations

import ast
import math
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.windows import Window, short

from . import both, mindspore, pytorch

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@pytorch("MaxPool")
def max_pool(call: Call) -> Any:
    """The largest of each window; indices count over all of the input."""
    window = Window(call)
    ceil, order = call.attribute("ceil_mode", 0), call.attribute("storage_order", 0)
    rank, dtype = window.rank, call.dtype(0)
    if rank > 3:
        call.refuse(f"over {rank} axes")
    x = call.tensor(0)
    whole = dtype not in _FLOATS
    if whole:
        x = code("x.to(torch.float32)", x=x)
    fits = window.symmetric and all(2 * p <= k for p, k in zip(window.begin, window.kernel, strict=True))
    given = window.given(c=True if ceil else OMIT)
    indices = call.used(1)
    if indices and (whole or not fits or window.is_same_at_run_time):
        call.refuse("indices beside uneven padding, or of integers")
    if not fits:
        if ceil:
            call.refuse("ceil_mode beside uneven padding")
        x = code("F.pad(x, p, value=v)", x=x, p=window.torch_pads, v=float("-inf"))
        given["p"] = OMIT
    x = window.padded_same(x, float("-inf"))
    template = f"F.max_pool{rank}d(x, k, stride=s, padding=p, dilation=dl, ceil_mode=c, return_indices=r)"
    given["s"] = short(window.strides)
    if window.strides == window.kernel:
        given["s"] = OMIT
    pooled = code(template, x=x, r=True if indices else OMIT, **given)
    if whole:
        pooled = code("x.to(d)", x=pooled, d=call.dtype_name(dtype))
    if not indices:
        return (pooled, None)
    values, found = call.body.shared.fresh("x"), call.body.shared.fresh("indices")
    call.body.statements.append(
        ast.Assign(
            [ast.Tuple([ast.Name(values, ast.Store()), ast.Name(found, ast.Store())], ast.Store())], pooled
        )
    )
    return (ast.Name(values, ast.Load()), _flat_indices(call, ast.Name(found, ast.Load()), order))


def _flat_indices(call: Call, indices: ast.expr, order: int) -> ast.expr:
    """Return indices that count over batch and channels too, as ONNX has them."""
    batch, sizes = _sizes_behind_batch(call, indices)
    plane = math.prod(sizes[1:])
    if order:
        if len(sizes) != 3:
            call.refuse("storage_order=1 of other than images")
        indices = code("i % w * h + i // w", i=indices, w=sizes[2], h=sizes[1])
    if batch == 1 and sizes[0] == 1:
        return indices
    base = code(
        "torch.arange(n).reshape(-1, b, *o) * p",
        n=batch * sizes[0] if isinstance(batch, int) else code("a * b", a=batch, b=sizes[0]),
        b=sizes[0],
        o=[1] * (len(sizes) - 1),
        p=plane,
    )
    return code("i + b", i=indices, b=base)


def _sizes_behind_batch(call: Call, x: ast.expr) -> tuple[int | ast.expr, list[int]]:
    """Return the batch size, an expression of a tensor where it is free, and the sizes behind it."""
    first, *rest = call.shape(0) or [None]
    sizes = [n for n in rest if isinstance(n, int)]
    if not rest or len(sizes) != len(rest):
        call.refuse("indices along a free axis other than the batch")
    return first if isinstance(first, int) else code("x.shape[0]", x=x), sizes


@mindspore("MaxPool")
def max_pool_mindspore(call: Call) -> Any:
    """The largest of each window of an image, by nn.MaxPool2d of what is padded before."""
    window = Window(call)
    order = call.attribute("storage_order", 0)
    x, ceil = call.tensor(0), call.attribute("ceil_mode", 0)
    if window.is_same_at_run_time:
        x = call.let("x", x)
    if call.used(1):
        if order or call.dtype(0) != "float32":
            call.refuse("indices of other than float32, or column by column")
        return window.by_function("f(x, k, s, pads, dl, c)", "max_pool_with_indices", x, c=bool(ceil))
    if (
        ceil
        or window.is_same_at_run_time
        or set(window.dilations) != {1}
        or window.rank != 2
        or call.dtype(0) not in ("float32", "float16")
    ):
        pooled = window.by_function(
            "f(x.to(mindspore.float32), k, s, pads, dl, c)", "max_pool", x, c=bool(ceil)
        )
        return (code("x.to(d)", x=pooled, d=call.dtype_name(call.dtype(0))), None)
    if any(window.begin + window.end):
        x = code("ops.pad(x, p, value=v)", x=x, p=window.torch_pads, v=float("-inf"))
    constructor = code("nn.MaxPool2d(k, s)", k=short(window.kernel), s=short(window.strides))
    path = call.body.layer_path("pool", constructor, {})
    return (code("f(x)", f=call.body.member(path or ""), x=x), None)


@pytorch("AveragePool")
def average_pool(call: Call) -> ast.expr:
    """The mean of each window, with or without the padding."""
    window = Window(call)
    ceil, include = call.attribute("ceil_mode", 0), call.attribute("count_include_pad", 0)
    rank = window.rank
    x = call.tensor(0)
    if window.is_same_at_run_time:
        x = call.let("x", x)
    given = window.given(
        c=True if ceil else OMIT, i=OMIT if include or not any(window.begin + window.end) else False
    )
    given["s"] = OMIT if window.strides == window.kernel else short(window.strides)
    fits = window.symmetric and all(2 * p <= k for p, k in zip(window.begin, window.kernel, strict=True))
    is_plain = fits and set(window.dilations) == {1} and rank <= 3 and not window.is_same_at_run_time
    if is_plain and not (ceil and include and any(window.begin)):
        given.pop("dl")
        return code(
            f"F.avg_pool{rank}d(x, k, stride=s, padding=p, ceil_mode=c, count_include_pad=i)", x=x, **given
        )
    return window.by_function(
        "f(x, k, s, pads, dl, ceil_mode=c, count_include_pad=i)",
        "average_pool",
        x,
        c=bool(ceil),
        i=bool(include),
    )


@mindspore("AveragePool")
def average_pool_mindspore(call: Call) -> ast.expr:
    """The mean of each window of an image; padding that does not count is divided out."""
    window = Window(call)
    ceil, include = call.attribute("ceil_mode", 0), call.attribute("count_include_pad", 0)
    if (
        ceil
        or window.is_same_at_run_time
        or set(window.dilations) != {1}
        or window.rank != 2
        or call.dtype(0) not in ("float32", "float16")
    ):
        x = call.let("x", call.tensor(0)) if window.is_same_at_run_time else call.tensor(0)
        return window.by_function(
            "f(x, k, s, pads, dl, c, i)", "average_pool", x, c=bool(ceil), i=bool(include)
        )
    x = call.tensor(0)
    constructor = code("nn.AvgPool2d(k, s)", k=short(window.kernel), s=short(window.strides))
    path = call.body.layer_path("pool", constructor, {})
    pool = call.body.member(path or "")
    if not any(window.begin + window.end):
        return code("f(x)", f=pool, x=x)
    mean = code("f(ops.pad(x, p))", f=pool, x=x, p=window.torch_pads)
    if include:
        return mean
    x = call.let("x", x)
    mean = code("f(ops.pad(x, p))", f=pool, x=x, p=window.torch_pads)
    return code("m / f(ops.pad(ops.ones_like(x), p))", m=mean, f=pool, x=x, p=window.torch_pads)


@both("GlobalAveragePool")
def global_average_pool(call: Call) -> ast.expr:
    """The mean over all places."""
    rank = call.rank(0)
    if call.target == "mindspore":
        return code("ops.mean(x, a, True)", x=call.tensor(0), a=tuple(range(2, rank)))
    if 3 <= rank <= 5:
        return code(f"F.adaptive_avg_pool{rank - 2}d(x, 1)", x=call.tensor(0))
    return code("x.mean(dim=a, keepdim=True)", x=call.tensor(0), a=list(range(2, rank)))


@both("GlobalMaxPool")
def global_max_pool(call: Call) -> ast.expr:
    """The largest over all places."""
    axes: Any = list(range(2, call.rank(0)))
    if call.target == "mindspore":
        return code("ops.amax(x, a, True)", x=call.tensor(0), a=tuple(axes))
    return code("x.amax(dim=a, keepdim=True)", x=call.tensor(0), a=axes)


@both("GlobalLpPool")
def global_lp_pool(call: Call) -> ast.expr:
    """The p-norm over all places."""
    p = call.attribute("p", 2)
    axes = list(range(2, call.rank(0)))
    if call.target == "pytorch":
        return code("x.abs().pow(p).sum(dim=a, keepdim=True).pow(q)", x=call.tensor(0), p=p, q=1 / p, a=axes)
    return code(
        "ops.pow(ops.sum(ops.pow(ops.abs(x), p), a, True), q)", x=call.tensor(0), p=p, q=1 / p, a=tuple(axes)
    )


@pytorch("LpPool", since=2)
def lp_pool(call: Call) -> ast.expr:
    """The p-norm of each window: a mean of powers, times the window's size, where all windows are whole."""
    window = Window(call)
    p, ceil = call.attribute("p", 2), call.attribute("ceil_mode", 0)
    if ceil or set(window.dilations) != {1} or window.rank > 3:
        x = call.let("x", call.tensor(0)) if window.is_same_at_run_time else call.tensor(0)
        return window.by_function("f(x, p, k, s, pads, dl, ceil_mode=c)", "lp_pool", x, p=p, c=bool(ceil))
    x = code("x.abs().pow(p)", x=call.tensor(0), p=p)
    x = code("F.pad(x, p)", x=x, p=window.torch_pads) if any(window.begin + window.end) else x
    mean = code(
        f"F.avg_pool{window.rank}d(x, k, stride=s)",
        x=window.padded_same(x),
        k=short(window.kernel),
        s=short(window.strides),
    )
    return code("(m * n).pow(q)", m=mean, n=math.prod(window.kernel), q=1 / p)


@both("MaxUnpool")
def max_unpool(call: Call) -> ast.expr:
    """Values back where their indices, which count over the whole output, say."""
    kernel = call.attribute("kernel_shape")
    strides = call.attribute("strides", [1] * len(kernel))
    pads = call.attribute("pads", [0] * 2 * len(kernel))
    sizes = call.ints(2) if call.has(2) else None
    if call.has(2) and sizes is None:
        call.refuse("the output's shape is computed at run time")
    rank = len(kernel)
    x = call.let("x", call.tensor(0))
    batch, (channels, *plain) = _sizes_behind_batch(call, x)
    inferred = [
        (n - 1) * s - pads[i] - pads[i + rank] + k
        for i, (n, s, k) in enumerate(zip(plain, strides, kernel, strict=True))
    ]
    whole = (batch, channels, *inferred)
    given: dict[str, Any] = {"x": x, "i": call.tensor(1), "s": whole}
    if sizes is None or sizes[2:] == inferred:
        return code("f(x, i, s)", f=call.function("unpool"), **given)
    return code("f(x, i, s, o)", f=call.function("unpool_into"), o=(batch, *sizes[1:]), **given)


@mindspore("LpPool", since=2)
def lp_pool_mindspore(call: Call) -> ast.expr:
    """The p-norm of each window."""
    window = Window(call)
    p, ceil = call.attribute("p", 2), call.attribute("ceil_mode", 0)
    x = call.let("x", call.tensor(0)) if window.is_same_at_run_time else call.tensor(0)
    taps = window.by_function(
        "f(ops.pow(ops.abs(x), p), k, s, pads, dl, c, 0.0)", "windows", x, p=p, c=bool(ceil)
    )
    return code("ops.pow(ops.sum(ops.stack(t), 0), q)", t=taps, q=1 / p)
