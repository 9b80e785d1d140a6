"""Attention as ONNX defines it."""

import mindspore
from mindspore import Tensor, ops

from .activations import tanh
from .softmax import softmax


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (N, length, heads * size) as (N, heads, length, size)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Return (N, heads, length, size) as (N, length, heads * size)."""
    x = x.swapaxes(1, 2)
    return x.reshape(*x.shape[:2], -1)


def attention_bias(
    query: Tensor,
    keys: Tensor,
    mask: Tensor | None = None,
    past: int = 0,
    lengths: Tensor | None = None,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
) -> Tensor:
    """Return what is added to the scores: the mask, and -inf where a query does not look."""
    rows, columns, dtype = query.shape[2], keys.shape[2], query.dtype
    bias = ops.zeros((rows, columns), dtype)
    hidden = ops.full((1,), float("-inf"), dtype=dtype)
    if mask is not None:
        if mask.dtype == mindspore.bool_:
            mask = ops.where(mask, ops.zeros(mask.shape, dtype), hidden)
        if mask.shape[-1] < columns:
            missing = ops.full((*mask.shape[:-1], columns - mask.shape[-1]), float("-inf"), dtype=dtype)
            mask = ops.cat([mask, missing], -1)
        bias = bias + mask
    at = ops.arange(0, columns, 1)
    row = ops.arange(0, rows, 1).reshape(-1, 1)
    step = at - row - (past if lengths is None else (lengths - rows).reshape(-1, 1, 1, 1))
    if causal:
        bias = ops.where(step <= 0, bias, hidden)
    for side, reach in enumerate(window):
        if reach >= 0:
            bias = ops.where((step if side else -step) <= reach, bias, hidden)
    if lengths is not None:
        bias = ops.where(at < lengths.reshape(-1, 1, 1, 1), bias, hidden)
    return bias


def attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor | None = None,
    scale: float | None = None,
    softcap: float = 0.0,
    precision: mindspore.Type | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return attended values, and the scores: as they are, capped, with the bias, and as weights."""
    groups = query.shape[1] // keys.shape[1]
    if groups > 1:
        keys, values = (ops.repeat_interleave(t, groups, 1) for t in (keys, values))
    root = (query.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    scores = ops.matmul(query * root, (keys * root).swapaxes(-1, -2))
    capped = softcap * tanh(scores / softcap) if softcap > 0 else scores
    biased = capped if bias is None else capped + bias
    wide = biased if precision is None else biased.to(precision)
    weights = softmax(wide, -1)
    weights = ops.where(ops.isnan(weights), ops.zeros_like(weights), weights).to(query.dtype)
    return ops.matmul(weights, values), scores, capped, biased, weights


def rotary_embedding(
    x: Tensor,
    cosines: Tensor,
    sines: Tensor,
    positions: Tensor | None,
    heads: int,
    size: int,
    interleaved: bool,
) -> Tensor:
    """Rotate pairs of features of queries or keys; the last features, beyond `size`, stay."""
    flat = x.ndim == 3
    x = x.reshape(*x.shape[:2], heads, -1) if flat else x.swapaxes(1, 2)
    size = size or x.shape[-1]
    turned = x[..., :size]
    if positions is not None:
        cosines, sines = ops.gather(cosines, positions, 0), ops.gather(sines, positions, 0)
    cosines, sines = (ops.unsqueeze(t[..., : size // 2], 2) for t in (cosines, sines))
    if interleaved:
        pairs = turned.reshape(*turned.shape[:-1], size // 2, 2)
        first, second = pairs[..., 0], pairs[..., 1]
    else:
        first, second = turned[..., : size // 2], turned[..., size // 2 :]
    real, imaginary = cosines * first - sines * second, sines * first + cosines * second
    if interleaved:
        result = ops.stack([real, imaginary], -1).reshape(turned.shape)
    else:
        result = ops.cat([real, imaginary], -1)
    if size < x.shape[-1]:
        result = ops.cat([result, x[..., size:]], -1)
    return result.reshape(*result.shape[:2], -1) if flat else result.swapaxes(1, 2)
