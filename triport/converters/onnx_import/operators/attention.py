"""Attention, and the rotary embedding."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code

from . import both
from .elementwise import f32

_PRECISIONS = {None: None, 1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}


@dataclass(frozen=True, slots=True)
class _Options:
    """The attributes of Attention, read and checked."""

    heads: int | None
    kv_heads: int | None
    scale: float | None
    causal: bool
    softcap: float
    mode: int
    precision: str | None
    window: tuple[int, int]

    @classmethod
    def of(cls, call: Call) -> _Options:
        causal, softcap = call.attribute("is_causal", 0), f32(call.attribute("softcap", 0.0))
        heads, kv_heads = call.attribute("q_num_heads", None), call.attribute("kv_num_heads", None)
        scale, mode = call.attribute("scale", None), call.attribute("qk_matmul_output_mode", 0)
        precision = call.attribute("softmax_precision", None)
        window = (-1, -1)
        if call.version >= 25:
            window = (call.attribute("left_window_size", -1), call.attribute("right_window_size", -1))
        if mode not in (0, 1, 2, 3):
            call.refuse(f"qk_matmul_output_mode {mode}")
        if call.rank(0) == 3 and (heads is None or kv_heads is None):
            call.refuse("of three axes without numbers of heads")
        if call.has(4) != call.has(5):
            call.refuse("past keys without past values")
        if precision not in _PRECISIONS:
            call.refuse(f"softmax_precision {precision}")
        scale = None if scale is None else f32(scale)
        return cls(heads, kv_heads, scale, bool(causal), softcap, mode, _PRECISIONS[precision], window)


@both("Attention", since=23)
def attention(call: Call) -> Any:
    """PyTorch's own where it computes the same; otherwise by its definition, in the steps that there are."""
    options = _Options.of(call)
    return _built_in(call, options) or _by_definition(call, options)


def _built_in(call: Call, options: _Options) -> ast.expr | None:
    """Return PyTorch's attention of whole queries and keys, None where this is something else."""
    several = any(call.used(i) for i in (1, 2, 3)) or any(call.has(i) for i in (4, 5, 6))
    if call.target != "pytorch" or several or call.rank(0) == 3 or call.dtype(0) != "float32":
        return None
    if options.window != (-1, -1) or options.softcap or options.precision or options.mode:
        return None
    masked = call.has(3)
    same = call.size(0, 1) == call.size(1, 1) and call.size(0, 1) is not None
    square = not options.causal or (call.size(0, 2) == call.size(1, 2) and not masked)
    wide = not masked or (call.size(3, -1) is not None and call.size(3, -1) == call.size(1, 2))
    if not (same and square and wide) or (masked and call.dtype(3) == "bool"):
        return None
    return code(
        "F.scaled_dot_product_attention(q, k, v, attn_mask=m, is_causal=c, scale=s)",
        q=call.tensor(0),
        k=call.tensor(1),
        v=call.tensor(2),
        m=call.tensor(3) if masked else OMIT,
        c=True if options.causal else OMIT,
        s=OMIT if options.scale is None else options.scale,
    )


def _by_definition(call: Call, options: _Options) -> tuple[ast.expr, ...]:
    """Return attended values, all keys, all values, and the scores of the stage that is asked for."""
    flat = call.rank(0) == 3
    query, key, value = (call.tensor(i) for i in range(3))
    if flat:
        query = split_heads(call, query, options.heads)
        key, value = (split_heads(call, x, options.kv_heads) for x in (key, value))
    if call.has(4):
        joined = "torch.cat([p, x], dim=2)" if call.target == "pytorch" else "ops.cat([p, x], 2)"
        key, value = (code(joined, p=call.tensor(i), x=x) for i, x in ((4, key), (5, value)))
    query, key, value = (
        call.let(noun, x) for noun, x in (("query", query), ("keys", key), ("values", value))
    )
    found = call.let(
        "attended",
        code(
            "f(q, k, v, b, scale=s, softcap=c, precision=p)",
            f=call.function("attention"),
            q=query,
            k=key,
            v=value,
            b=_bias(call, options, query, key),
            s=OMIT if options.scale is None else options.scale,
            c=options.softcap or OMIT,
            p=OMIT if options.precision is None else call.dtype_name(options.precision),
        ),
    )
    attended = code("x[0]", x=found)
    if flat:
        attended = code("f(x)", f=call.function("merge_heads"), x=attended)
    return attended, key, value, code("x[i]", x=found, i=1 + options.mode)


def _bias(call: Call, options: _Options, query: ast.expr, keys: ast.expr) -> Any:
    """Return what is added to the scores, OMIT where that is nothing."""
    windowed = options.window != (-1, -1)
    if not (call.has(3) or call.has(6) or options.causal or windowed):
        return OMIT
    bias = code(
        "f(q, k, mask=m, past=p, lengths=n, causal=c, window=w)",
        f=call.function("attention_bias"),
        q=query,
        k=keys,
        m=call.tensor(3) if call.has(3) else OMIT,
        p=code("x.shape[2]", x=call.tensor(4)) if call.has(4) else OMIT,
        n=call.tensor(6) if call.has(6) else OMIT,
        c=True if options.causal else OMIT,
        w=options.window if windowed else OMIT,
    )
    return call.let("bias", bias)


def split_heads(call: Call, x: ast.expr, heads: int | None) -> ast.expr:
    """Return three axes as four, the heads apart."""
    return code("f(x, n)", f=call.function("split_heads"), x=x, n=heads)


@both("RotaryEmbedding", since=23)
def rotary_embedding(call: Call) -> Any:
    """Rotate pairs of features by their positions' angles."""
    heads, size = call.attribute("num_heads", 0), call.attribute("rotary_embedding_dim", 0)
    interleaved = call.attribute("interleaved", 0)
    if call.rank(0) == 3 and not heads:
        call.refuse("of three axes without num_heads")
    return code(
        "f(x, c, s, p, heads=h, size=n, interleaved=i)",
        f=call.function("rotary_embedding"),
        x=call.tensor(0),
        c=call.tensor(1),
        s=call.tensor(2),
        p=call.tensor(3) if call.has(3) else None,
        h=heads,
        n=size,
        i=bool(interleaved),
    )
