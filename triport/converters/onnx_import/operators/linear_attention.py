"""Attention with a state instead of a cache, and its convolution."""

from __future__ import annotations

from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import code

from . import both
from .attention import split_heads
from .elementwise import f32


@both("LinearAttention")
def linear_attention(call: Call) -> Any:
    """The recurrence, a token after the other."""
    call.attribute("chunk_size", 64)
    rule, scale = call.attribute("update_rule", "gated_delta"), f32(call.attribute("scale", 0.0))
    if rule not in ("linear", "gated", "delta", "gated_delta"):
        call.refuse("attribute update_rule is unknown")
    heads, kv_heads = call.attribute("q_num_heads"), call.attribute("kv_num_heads")
    decay = call.tensor(4) if call.has(4) and "gated" in rule else None
    return code(
        "f(q, k, v, s, d, b, scale=n)",
        f=call.function("linear_attention"),
        q=split_heads(call, call.tensor(0), heads),
        k=split_heads(call, call.tensor(1), kv_heads),
        v=split_heads(call, call.tensor(2), kv_heads),
        s=call.tensor(3) if call.has(3) else None,
        d=None if decay is None else split_heads(call, decay, kv_heads),
        b=call.tensor(5) if call.has(5) and "delta" in rule else None,
        n=scale or None,
    )


@both("CausalConvWithState")
def causal_conv(call: Call) -> Any:
    """A convolution of each channel over what came before, carried on from call to call."""
    activation = call.attribute("activation", "none")
    if activation not in ("none", "silu", "swish"):
        call.refuse("attribute activation is unknown")
    return code(
        "f(x, w, b, s, silu=a)",
        f=call.function("causal_conv"),
        x=call.tensor(0),
        w=call.tensor(1),
        b=call.tensor(2) if call.has(2) else None,
        s=call.tensor(3) if call.has(3) else None,
        a=activation != "none",
    )
