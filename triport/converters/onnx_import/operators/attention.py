"""Attention, and the rotary embedding."""

from __future__ import annotations

from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code

from . import both
from .elementwise import _f32


@both("Attention", since=23)
def attention(call: Call) -> Any:
    """Attention by its definition: scores, mask, softmax, values; with a cache, and with scores as output."""
    causal, softcap = call.attribute("is_causal", 0), _f32(call.attribute("softcap", 0.0))
    heads, kv_heads = call.attribute("q_num_heads", None), call.attribute("kv_num_heads", None)
    scale, mode = call.attribute("scale", None), call.attribute("qk_matmul_output_mode", 0)
    precision = call.attribute("softmax_precision", None)
    window: list[int] = [-1, -1]
    if call.version >= 25:
        window = [call.attribute(name, -1) for name in ("left_window_size", "right_window_size")]
    if mode not in (0, 1, 2, 3):
        call.refuse(f"qk_matmul_output_mode {mode}")
    if call.rank(0) == 3 and (heads is None or kv_heads is None):
        call.refuse("of three axes without numbers of heads")
    if call.has(4) != call.has(5):
        call.refuse("past keys without past values")
    several = call.rank(0) == 3 or any(call.used(i) for i in (1, 2, 3)) or any(call.has(i) for i in (4, 5, 6))
    several = several or window != [-1, -1]
    plain = call.target == "pytorch" and not several and not softcap and precision is None and mode == 0
    mask = call.tensor(3) if call.has(3) else None
    if plain and not (causal and mask is not None) and call.dtype(0) == "float32":
        same = call.size(0, 1) == call.size(1, 1) and call.size(0, 1) is not None
        square = not causal or call.size(0, 2) == call.size(1, 2)
        wide = mask is None or (call.size(3, -1) is not None and call.size(3, -1) == call.size(1, 2))
        if same and square and wide and (mask is None or call.dtype(3) != "bool"):
            return code(
                "F.scaled_dot_product_attention(q, k, v, attn_mask=m, is_causal=c, scale=s)",
                q=call.tensor(0),
                k=call.tensor(1),
                v=call.tensor(2),
                m=OMIT if mask is None else mask,
                c=True if causal else OMIT,
                s=OMIT if scale is None else _f32(scale),
            )
    kinds = {None: None, 1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
    if precision not in kinds:
        call.refuse(f"softmax_precision {precision}")
    kind = kinds[precision]
    result = code(
        "f(q, k, v, m, pk, pv, n, heads=h, kv_heads=kh, scale=s, causal=c, softcap=cap, scores=o, "
        "precision=p, window=w)",
        f=call.function("attention"),
        q=call.tensor(0),
        k=call.tensor(1),
        v=call.tensor(2),
        m=mask,
        pk=call.tensor(4) if call.has(4) else None,
        pv=call.tensor(5) if call.has(5) else None,
        n=call.tensor(6) if call.has(6) else None,
        h=heads,
        kh=kv_heads,
        s=None if scale is None else _f32(scale),
        c=bool(causal),
        cap=softcap,
        o=mode,
        w=OMIT if window == [-1, -1] else tuple(window),
        p=None if kind is None else call.dtype_name(kind),
    )
    found = call.let("attended", result)
    return tuple(code("x[i]", x=found, i=i) for i in range(4))


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
