"""Padding."""

from __future__ import annotations

import ast
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code

from . import both
from .elementwise import f32

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@both("Pad", since=2)
def pad(call: Call) -> ast.expr:
    """Constant, reflected, repeated or wrapped; negative padding cuts."""
    mode = call.attribute("mode", "constant")
    rank = call.rank(0)
    if mode not in _MODES:
        call.refuse("attribute mode is unknown")
    value: Any = OMIT
    if call.version < 11:
        pads: Any = call.attribute("pads")
        stated = f32(call.attribute("value", 0.0))
        value = stated if stated else OMIT
        axes = list(range(rank))
    else:
        pads = call.ints(1)
        if call.has(2):
            known = call.constant(2)
            value = call.scalar(2)
            if known is not None and known.size == 1 and not known.reshape(-1)[0]:
                value = OMIT
        axes = list(range(rank))
        if call.version >= 18 and call.has(3):
            axes = [call.axis(int(a), rank) for a in call.array(3)]
    if pads is None:
        listed = call.let("pads", call.int_tuple(1))
        pads = [code("p[i]", p=listed, i=i) for i in range(2 * len(axes))]
    if len(pads) != 2 * len(axes):
        call.refuse("the padding does not fit the axes")
    begin: dict[int, Any] = dict(zip(axes, pads[: len(axes)], strict=True))
    end: dict[int, Any] = dict(zip(axes, pads[len(axes) :], strict=True))
    x = call.tensor(0)
    padded = [a for a in range(rank) if _is_padded(begin.get(a, 0)) or _is_padded(end.get(a, 0))]
    if not padded:
        return x
    if mode == "constant":
        flat = [n for a in reversed(range(min(padded), rank)) for n in (begin.get(a, 0), end.get(a, 0))]
        if call.dtype(0) == "bool":
            boolean = "torch.bool" if call.target == "pytorch" else "mindspore.bool_"
            wide = "torch.uint8" if call.target == "pytorch" else "mindspore.float32"
            kind = (
                f"F.pad(x.to({wide}), p, value=v).to({boolean})"
                if call.target == "pytorch"
                else f"ops.pad(x.to({wide}), p, value=v).to({boolean})"
            )
            return code(kind, x=x, p=tuple(flat), v=value)
        if call.target == "mindspore":
            if any(isinstance(n, ast.expr) or n < 0 for n in flat):
                return _cut_mindspore(call, x, begin, end, flat, value)
            if call.dtype(0) not in ("float32", "float16", "int32", "int64", "float64"):
                call.refuse(f"of {call.dtype(0)} in MindSpore")
            return code("ops.pad(x, p, value=v)", x=x, p=tuple(flat), v=value)
        if any(_cuts_what_is_added(call.size(0, a), begin.get(a, 0), end.get(a, 0)) for a in padded):
            x = code("F.pad(x, p, value=v)", x=x, p=tuple(max(n, 0) for n in flat), v=value)
            flat = [min(n, 0) for n in flat]
        return code("F.pad(x, p, value=v)", x=x, p=tuple(flat), v=value)
    return _by_index(call, x, mode, padded, begin, end)


def _is_padded(size: Any) -> bool:
    return not isinstance(size, int) or size != 0


def _cuts_what_is_added(size: int | None, first: Any, last: Any) -> bool:
    """Return whether an axis may be shorter than what is cut of it, so that padding is cut, too."""
    if isinstance(first, ast.expr) or isinstance(last, ast.expr):
        return False
    return min(first, last) < 0 < max(first, last) and (size is None or size + min(first, last) < 0)


def _cut_mindspore(call: Call, x: ast.expr, begin: Any, end: Any, flat: list[Any], value: Any) -> ast.expr:
    """Negative padding returns garbage in MindSpore: what is cut is sliced."""
    rank = call.rank(0)
    if any(isinstance(n, ast.expr) for n in flat):
        sizes = {a: (begin.get(a, 0), end.get(a, 0)) for a in range(rank)}
        given = 0 if value is OMIT else value
        for axis, (first, last) in sizes.items():
            if _is_padded(first) or _is_padded(last):
                function = call.function("pad_or_cut")
                x = code("f(x, a, b, e, v)", f=function, x=x, a=axis, b=first, e=last, v=given)
        return x
    added = [max(n, 0) for n in flat]
    if any(added):  # before the cut, which may reach into it
        x = code("ops.pad(x, p, value=v)", x=x, p=tuple(added), v=value)
    slices: list[ast.expr] = []
    for a in range(rank):
        low, high = min(begin.get(a, 0), 0), min(end.get(a, 0), 0)
        slices.append(code("s[a:b]", a=-low, b=high if high else None, s=x).slice)  # type: ignore[attr-defined]
    return ast.Subscript(x, ast.Tuple(slices, ast.Load()), ast.Load())


def _by_index(
    call: Call, x: ast.expr, mode: str, padded: list[int], begin: dict[int, Any], end: dict[int, Any]
) -> ast.expr:
    """Return padding with the tensor's own values: by the framework's pad for images, else by indices."""
    rank = call.rank(0)
    sizes = {a: (begin.get(a, 0), end.get(a, 0)) for a in padded}
    computed = any(not isinstance(n, int) for pair in sizes.values() for n in pair)
    if computed:
        return _along_axes(call, x, mode, sizes)
    # a size that is not known yet and too small is an error of the framework's, not another result
    fits = all(
        call.size(0, a) is None or max(sizes[a]) < (call.size(0, a) or 0) + (mode != "reflect")
        for a in padded
    )
    plain = min(min(pair) for pair in sizes.values()) >= 0
    floating = call.dtype(0) in ("float32", "float64", "float16", "bfloat16")
    spatial = 2 <= rank <= 5 and min(padded) >= max(1, min(2, rank - 1))
    if plain and spatial and floating and (fits or mode == "edge"):
        flat = [n for a in reversed(range(min(2, rank - 1), rank)) for n in sizes.get(a, (0, 0))]
        if call.target == "pytorch":
            return code("F.pad(x, p, mode=m)", x=x, p=tuple(flat), m=_MODES[mode])
        if rank == 4 and mode != "wrap" and call.dtype(0) == "float32":
            return code("ops.pad(x, p, mode=m)", x=x, p=tuple(flat), m=_MODES[mode])
    return _along_axes(call, x, mode, sizes)


def _along_axes(call: Call, x: ast.expr, mode: str, sizes: dict[int, tuple[Any, Any]]) -> ast.expr:
    function = call.function("pad_with_own")
    for axis, (first, last) in sizes.items():
        x = code("f(x, a, b, e, m)", f=function, x=x, a=axis, b=first, e=last, m=mode)
    return x
