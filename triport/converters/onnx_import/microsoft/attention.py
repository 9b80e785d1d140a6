"""Attention of packed or separate projections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

_FLOAT, _INT64, _BOOL = 1, 7, 9
_TRIANGLE_SINCE = 14


@dataclass(frozen=True, slots=True)
class Attending:
    """What one attention is: its heads and scale, what is added to scores, what came before."""

    heads: int
    scale: str
    is_causal: bool = False
    added: tuple[str, ...] = ()
    mask: str = ""
    masked: float = -10000.0
    past: tuple[str, str] | None = None  # keys and values (batch, heads, length, features)
    is_square: bool = True  # as many new keys as queries


@rule("Attention")
def _attention(made: Expansion) -> None:
    """Self-attention of a packed product: x, weights (in, 3 out), bias, and what is masked or added."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    sizes = made.attribute("qkv_hidden_sizes", [])
    masked = made.attribute("mask_filter_value", -10000.0)
    is_causal = bool(made.attribute("unidirectional", 0))
    made.check(6, 2)
    width = made.shape(1)[1]
    sizes = list(sizes) or [width // 3] * 3
    if not heads or sum(sizes) != width or any(size % heads for size in sizes):
        raise NotExpandedError
    packed = made.put("MatMul", made.of(0), made.of(1))
    if made.has(2):
        packed = made.put("Add", packed, made.of(2))
    one = Attending(
        heads,
        made.number(scale or (sizes[0] // heads) ** -0.5),
        is_causal,
        (made.of(5),) if made.has(5) else (),
        made.of(3) if made.has(3) else "",
        masked,
        past_of(made, 4),
    )
    give_packed(made, packed, sizes, one)


def give_packed(made: Expansion, packed: str, sizes: list[int], one: Attending) -> None:
    """Let the outputs be attention of queries, keys and values that are one tensor, and what is kept."""
    if made.opset >= 13:
        parts = made.several("Split", 3, packed, made.constant(np.array(sizes, np.int64)), axis=2)
    else:
        parts = made.several("Split", 3, packed, axis=2, split=sizes)
    found, kept = _attended(made, parts, one)
    made.give(0, found)
    if any(made.node.output[1:2]):
        made.give(1, made.put("Concat", *(made.put("Unsqueeze", x, axes=[0]) for x in kept), axis=0))


@rule("MultiHeadAttention")
def _multi_head(made: Expansion) -> None:
    """Attention of queries, keys and values of three axes each."""
    heads, scale = made.attribute("num_heads", 0), made.attribute("scale", 0.0)
    masked = made.attribute("mask_filter_value", -10000.0)
    is_causal = bool(made.attribute("unidirectional", 0))
    made.check(8, 3)
    parts = [made.of(0), made.of(1), made.of(2)]
    if not heads or made.has(6) != made.has(7) or made.rank(parts[1]) == 4:
        raise NotExpandedError
    width = made.size(0, 2)
    if made.has(3):
        width = made.shape(3)[0] // 3
        starts = [made.constant(np.array([i * width], np.int64)) for i in range(4)]
        parts = [
            made.put("Add", part, made.put("Slice", made.of(3), starts[i], starts[i + 1]))
            for i, part in enumerate(parts)
        ]
    if not scale and width:
        scale = (width // heads) ** -0.5
    one = Attending(
        heads,
        made.number(scale) if scale else _usual_scale(made, parts[0], heads),
        is_causal,
        (made.of(5),) if made.has(5) else (),
        made.of(4) if made.has(4) else "",
        masked,
        (made.of(6), made.of(7)) if made.has(6) else None,
        made.size(0, 1) is not None and made.size(0, 1) == made.size(1, 1),
    )
    found, kept = _attended(made, parts, one)
    for place, each in enumerate((found, *kept)):
        made.give(place, each)


def _usual_scale(made: Expansion, query: str, heads: int) -> str:
    """Return one by the root of the features of a head, of a number of features that is not stated."""
    width = made.put("Gather", made.put("Shape", query), made.constant(np.array(2)), axis=0)
    features = made.put("Div", made.put("Cast", width, to=_FLOAT), made.number(heads))
    return made.put("Div", made.number(1), made.put("Sqrt", features))


def past_of(made: Expansion, index: int) -> tuple[str, str] | None:
    """Return keys and values of an input that holds both."""
    if not made.has(index):
        return None
    key, value = (
        made.put("Gather", made.of(index), made.constant(np.array(place)), axis=0) for place in (0, 1)
    )
    return key, value


def _attended(made: Expansion, parts: list[str], one: Attending) -> tuple[str, tuple[str, ...]]:
    """Return attention of (batch, length, features) by heads, and keys and values as they are kept."""
    split = made.constant(np.array([0, 0, one.heads, -1], np.int64))
    apart = [made.put("Reshape", part, split) for part in parts]
    query, value = (made.put("Transpose", apart[i], perm=[0, 2, 1, 3]) for i in (0, 2))
    kept: tuple[str, ...] = ()
    if one.past is None and not any(made.node.output[1:]):
        key = made.put("Transpose", apart[1], perm=[0, 2, 3, 1])
    else:
        key = made.put("Transpose", apart[1], perm=[0, 2, 1, 3])
        if one.past is not None:
            key, value = (
                made.put("Concat", old, new, axis=2) for old, new in zip(one.past, (key, value), strict=True)
            )
        kept = (key, value)
        key = made.put("Transpose", key, perm=[0, 1, 3, 2])
    scores = made.put("Mul", made.put("MatMul", query, key), one.scale)
    added = [*one.added, *([_of_mask(made, one, key)] if one.mask else [])]
    for each in added:
        scores = made.put("Add", scores, each)
    if one.is_causal:
        later = _later(made, one, query, key, scores)
        scores = made.put("Where", later, made.number(-np.inf), scores)
    weights = made.put("Softmax", scores, axis=-1 if made.opset >= 13 else 3)
    values = made.put("Transpose", made.put("MatMul", weights, value), perm=[0, 2, 1, 3])
    return made.put("Reshape", values, made.constant(np.array([0, 0, -1], np.int64))), kept


def _of_mask(made: Expansion, one: Attending, key: str) -> str:
    """Return what is added to scores: where a mask is more than 0, or before a length, something stands."""
    rank = made.rank(one.mask)
    count = made.dims[one.mask][0] if rank == 1 else None
    if count is not None and count != made.size(0, 0):
        raise NotExpandedError  # ends and starts
    if rank == 1:
        ends = made.put("Unsqueeze", made.put("Cast", one.mask, to=_INT64), axes=[1])
        stands = made.put("Less", places(made, length_of(made, key, 3)), ends)
    elif rank in (2, 3):
        stands = made.put("Greater", made.put("Cast", one.mask, to=_FLOAT), made.number(0))
    else:
        raise NotExpandedError
    added = made.put("Where", stands, made.number(0), made.number(one.masked))
    return made.put("Unsqueeze", added, axes=[1] if rank == 3 else [1, 2])


def _later(made: Expansion, one: Attending, query: str, key: str, scores: str) -> str:
    """Return which keys a query does not see."""
    if one.past is None and one.is_square and made.opset >= _TRIANGLE_SINCE:
        return _above(made, scores)
    length, of_keys = length_of(made, query, 2), length_of(made, key, 3)
    if one.past is not None or one.is_square:
        return later_places(made, length, of_keys)
    # of keys that are none of the queries' own, as many as there are queries count, and for the last all do
    rows = made.put("Unsqueeze", places(made, length), axes=[1])
    last = made.put("Sub", length, made.constant(np.array(1)))
    later = made.put("Greater", places(made, of_keys), rows)
    return made.put("And", later, made.put("Less", rows, last))


def _above(made: Expansion, scores: str) -> str:
    """Return what is above the diagonal of scores."""
    import onnx

    one = onnx.numpy_helper.from_array(np.ones(1, np.float32))
    whole = made.put("ConstantOfShape", made.put("Shape", scores), value=one)
    return made.put("Cast", made.put("Trilu", whole, made.constant(np.array(1, np.int64))), to=_BOOL)


def length_of(made: Expansion, value: str, axis: int) -> str:
    """Return how long a value is along an axis."""
    return made.put("Gather", made.put("Shape", value), made.constant(np.array(axis)), axis=0)


def places(made: Expansion, length: str) -> str:
    """Return the whole numbers below a length."""
    return made.put("Range", made.constant(np.array(0)), length, made.constant(np.array(1)))


def query_places(made: Expansion, length: str, of_keys: str) -> str:
    """Return where queries stand among keys, (queries, 1): the last ones belong to each other."""
    before = made.put("Sub", of_keys, length)
    return made.put("Unsqueeze", made.put("Add", places(made, length), before), axes=[1])


def later_places(made: Expansion, length: str, of_keys: str) -> str:
    """Return which keys are later than a query, (queries, keys)."""
    return made.put("Greater", places(made, of_keys), query_places(made, length, of_keys))
