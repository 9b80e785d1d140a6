"""Attention as ONNX defines it."""

import torch
from torch import Tensor


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
    precision: torch.dtype | None,
    window: tuple[int, int] = (-1, -1),
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return attended values, all keys and values, and the scores of the stage that is asked for."""
    flat = query.dim() == 3
    if flat:
        query = query.unflatten(-1, (heads, -1)).transpose(1, 2)
        key, value = (t.unflatten(-1, (kv_heads, -1)).transpose(1, 2) for t in (key, value))
    past = 0
    if past_key is not None and past_value is not None:
        past = past_key.shape[2]
        key, value = torch.cat([past_key, key], dim=2), torch.cat([past_value, value], dim=2)
    all_keys, all_values = key, value
    groups = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(groups, dim=1) for t in (key, value))
    root = (query.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    product = (query * root) @ (key * root).transpose(-1, -2)
    rows, columns = product.shape[-2:]
    bias = torch.zeros(rows, columns, dtype=query.dtype, device=query.device)
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))
        if mask.shape[-1] < columns:
            missing = columns - mask.shape[-1]
            mask = torch.cat([mask, mask.new_full((*mask.shape[:-1], missing), float("-inf"))], dim=-1)
        bias = bias + mask
    at = torch.arange(columns, device=query.device)
    if causal:
        first = past if lengths is None else (lengths - rows).reshape(-1, 1, 1, 1)
        allowed = at <= torch.arange(rows, device=query.device)[:, None] + first
        bias = bias.masked_fill(~allowed, float("-inf"))
    for side, reach in enumerate(window):
        if reach >= 0:
            first = past if lengths is None else (lengths - rows).reshape(-1, 1, 1, 1)
            step = at - (torch.arange(rows, device=query.device)[:, None] + first)
            bias = bias.masked_fill((step if side else -step) > reach, float("-inf"))
    if lengths is not None:
        inside = at < lengths.reshape(-1, 1, 1, 1)
        bias = bias.masked_fill(~inside, float("-inf"))
    stages = [product]
    if softcap > 0:
        product = softcap * torch.tanh(product / softcap)
    stages.append(product)
    product = product + bias
    stages.append(product)
    wide = product if precision is None else product.to(precision)
    weights = torch.softmax(wide, dim=-1).nan_to_num(0.0).to(query.dtype)
    stages.append(weights)
    attended = weights @ value
    if flat:
        attended = attended.transpose(1, 2).flatten(2)
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
    flat = x.dim() == 3
    x = x.unflatten(-1, (heads, -1)) if flat else x.transpose(1, 2)
    size = size or x.shape[-1]
    turned, kept = x[..., :size], x[..., size:]
    if positions is not None:
        cosines, sines = cosines[positions], sines[positions]
    cosines, sines = (t[..., : size // 2].unsqueeze(2) for t in (cosines, sines))
    if interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned.chunk(2, dim=-1)
    real, imaginary = cosines * first - sines * second, sines * first + cosines * second
    if interleaved:
        turned = torch.stack((real, imaginary), dim=-1).flatten(-2)
    else:
        turned = torch.cat((real, imaginary), dim=-1)
    x = torch.cat((turned, kept), dim=-1)
    return x.flatten(2) if flat else x.transpose(1, 2)
