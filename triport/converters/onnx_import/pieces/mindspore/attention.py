"""Attention as ONNX defines it."""

import mindspore
from mindspore import Tensor, ops

from .softmax import softmax


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    past_key: Tensor | None,
    past_value: Tensor | None,
    lengths: Tensor | None,
    heads: int | None,
    kv_heads: int | None,
    scale: float | None,
    causal: bool,
    softcap: float,
    scores: int,
    precision: mindspore.Type | None,
    window: tuple[int, int] = (-1, -1),
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return attended values, all keys and values, and the scores of the stage that is asked for."""
    flat, dtype = query.ndim == 3, query.dtype
    if flat:
        query = query.reshape(*query.shape[:2], heads, -1).swapaxes(1, 2)
        key, value = (t.reshape(*t.shape[:2], kv_heads, -1).swapaxes(1, 2) for t in (key, value))
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        key, value = ops.cat([past_key, key], 2), ops.cat([past_value, value], 2)
    all_keys, all_values = key, value
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (ops.repeat_interleave(t, groups, 1) for t in (key, value))
    root = (query.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    product = ops.matmul(query * root, (key * root).swapaxes(-1, -2))
    rows, columns = product.shape[-2:]
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
    stages = [product]
    if softcap > 0:
        product = softcap * ops.tanh(product / softcap)
    stages.append(product)
    product = product + bias
    stages.append(product)
    wide = product if precision is None else product.to(precision)
    weights = softmax(wide, -1)
    weights = ops.where(ops.isnan(weights), ops.zeros_like(weights), weights).to(dtype)
    stages.append(weights)
    attended = ops.matmul(weights, value)
    if flat:
        attended = attended.swapaxes(1, 2)
        attended = attended.reshape(*attended.shape[:2], -1)
    return attended, all_keys, all_values, stages[scores]


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
