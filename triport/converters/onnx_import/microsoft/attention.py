"""Attention of packed or separate projections."""

from __future__ import annotations

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

_FLOAT, _BOOL = 1, 9
_TRIANGLE_SINCE = 14


@rule("Attention")
def _attention(made: Expansion) -> None:
    """Self-attention of a packed product: x, weights (in, 3 out), bias, and what is masked or added."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    sizes = made.attribute("qkv_hidden_sizes", [])
    masked = made.attribute("mask_filter_value", -10000.0)
    is_causal = bool(made.attribute("unidirectional", 0))
    if made.has(4) or not heads:
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
    added = [made.of(5)] if made.has(5) else []
    if made.has(3):
        added.append(_of_mask(made, made.of(3), masked))
    made.give(0, _attended(made, parts, heads, scale or (sizes[0] // heads) ** -0.5, added, is_causal))


@rule("MultiHeadAttention")
def _multi_head(made: Expansion) -> None:
    """Attention of queries, keys and values of three axes each."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    masked = made.attribute("mask_filter_value", -10000.0)
    if made.attribute("unidirectional", 0) or not heads:
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
    added = [made.of(5)] if made.has(5) else []
    if made.has(4):
        added.append(_of_mask(made, made.of(4), masked))
    made.give(0, _attended(made, parts, heads, scale, added))


def _of_mask(made: Expansion, mask: str, masked: float) -> str:
    """Return what is added to scores for a mask (batch, length) that is one where something stands."""
    if made.ranks.get(mask) != 2:
        raise NotExpandedError
    empty = made.put("Sub", made.number(1), made.put("Cast", mask, to=_FLOAT))
    return made.put("Unsqueeze", made.put("Mul", empty, made.number(masked)), axes=[1, 2])


def _attended(
    made: Expansion,
    parts: list[str],
    heads: int,
    scale: float,
    added: list[str],
    is_causal: bool = False,
) -> str:
    """Return attention of queries, keys and values (batch, length, features), by heads."""
    import onnx

    split = made.constant(np.array([0, 0, heads, -1], np.int64))
    apart = [made.put("Reshape", part, split) for part in parts]
    query, value = (made.put("Transpose", apart[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    key = made.put("Transpose", apart[1], perm=[0, 2, 3, 1])
    scores = made.put("MatMul", query, key)
    if not scale:
        raise NotExpandedError
    scores = made.put("Mul", scores, made.number(scale))
    for each in added:
        scores = made.put("Add", scores, each)
    if is_causal:
        if made.opset < _TRIANGLE_SINCE:
            raise NotExpandedError
        one = onnx.numpy_helper.from_array(np.ones(1, np.float32))
        whole = made.put("ConstantOfShape", made.put("Shape", scores), value=one)
        above = made.put("Trilu", whole, made.constant(np.array(1, np.int64)))
        scores = made.put("Where", made.put("Cast", above, to=_BOOL), made.number(-np.inf), scores)
    weights = made.put("Softmax", scores, axis=-1 if made.opset >= 13 else 3)
    values = made.put("Transpose", made.put("MatMul", weights, value), perm=[0, 2, 1, 3])
    return made.put("Reshape", values, made.constant(np.array([0, 0, -1], np.int64)))
