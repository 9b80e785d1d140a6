"""Channels to blocks of pixels, and back."""

from __future__ import annotations

import ast

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both


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
