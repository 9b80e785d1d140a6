"""Attention of packed or separate projections."""

from __future__ import annotations

import numpy as np

from .expansion import Expansion, NotExpandedError, rule


@rule("Attention")
def _attention(made: Expansion) -> None:
    """Self-attention of a packed product: inputs x, weights (in, 3 out), bias, and a mask that is added."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    sizes = made.attribute("qkv_hidden_sizes", [])
    made.attribute("mask_filter_value", -10000.0)
    if made.attribute("unidirectional", 0) or made.has(3) or made.has(4) or not heads:
        raise NotExpandedError
    made.check(6)
    width = made.shape(1)[1]
    sizes = list(sizes) or [width // 3] * 3
    if sum(sizes) != width or any(size % heads for size in sizes):
        raise NotExpandedError
    packed = made.put("MatMul", made.of(0), made.of(1))
    if made.has(2):
        packed = made.put("Add", packed, made.of(2))
    if made.opset >= 13:
        parts = made.several("Split", 3, packed, made.constant(np.array(sizes, np.int64)), axis=2)
    else:
        parts = made.several("Split", 3, packed, axis=2, split=sizes)
    made.give(
        0,
        _attended(
            made, parts, heads, scale or (sizes[0] // heads) ** -0.5, made.of(5) if made.has(5) else ""
        ),
    )


@rule("MultiHeadAttention")
def _multi_head(made: Expansion) -> None:
    """Attention of queries, keys and values of three axes each."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    made.attribute("mask_filter_value", -10000.0)
    if made.attribute("unidirectional", 0) or made.has(4) or not heads:
        raise NotExpandedError
    made.check(6)
    parts = [made.of(0), made.of(1), made.of(2)]
    if made.has(3):
        width = made.shape(3)[0] // 3
        scale = scale or (width // heads) ** -0.5
        starts = [made.constant(np.array([i * width], np.int64)) for i in range(4)]
        parts = [
            made.put("Add", part, made.put("Slice", made.of(3), starts[i], starts[i + 1]))
            for i, part in enumerate(parts)
        ]
    made.give(0, _attended(made, parts, heads, scale, made.of(5) if made.has(5) else ""))


def _attended(made: Expansion, parts: list[str], heads: int, scale: float, added: str) -> str:
    """Return attention of queries, keys and values (batch, length, features), by heads."""
    split = made.constant(np.array([0, 0, heads, -1], np.int64))
    apart = [made.put("Reshape", part, split) for part in parts]
    query, value = (made.put("Transpose", apart[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    key = made.put("Transpose", apart[1], perm=[0, 2, 3, 1])
    scores = made.put("MatMul", query, key)
    if not scale:
        raise NotExpandedError
    scores = made.put("Mul", scores, made.number(scale))
    if added:
        scores = made.put("Add", scores, added)
    weights = made.put("Softmax", scores, axis=-1 if made.opset >= 13 else 3)
    values = made.put("Transpose", made.put("MatMul", weights, value), perm=[0, 2, 1, 3])
    return made.put("Reshape", values, made.constant(np.array([0, 0, -1], np.int64)))
