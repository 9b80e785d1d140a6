"""Attention as ONNX defines it."""

import torch
from torch import Tensor


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (N, length, heads * size) as (N, heads, length, size)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """Return (N, heads, length, size) as (N, length, heads * size)."""
    return x.transpose(1, 2).flatten(2)


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
    rows, columns = query.shape[2], keys.shape[2]
    bias = torch.zeros(rows, columns, dtype=query.dtype, device=query.device)
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))
        if mask.shape[-1] < columns:
            missing = columns - mask.shape[-1]
            mask = torch.cat([mask, mask.new_full((*mask.shape[:-1], missing), float("-inf"))], dim=-1)
        bias = bias + mask
    at = torch.arange(columns, device=query.device)
    first = past if lengths is None else (lengths - rows).reshape(-1, 1, 1, 1)
    step = at - (torch.arange(rows, device=query.device)[:, None] + first)
    if causal:
        bias = bias.masked_fill(step > 0, float("-inf"))
    for side, reach in enumerate(window):
        if reach >= 0:
            bias = bias.masked_fill((step if side else -step) > reach, float("-inf"))
    if lengths is not None:
        bias = bias.masked_fill(at >= lengths.reshape(-1, 1, 1, 1), float("-inf"))
    return bias


def attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor | None = None,
    scale: float | None = None,
    softcap: float = 0.0,
    precision: torch.dtype | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return attended values, and the scores: as they are, capped, with the bias, and as weights."""
    groups = query.shape[1] // keys.shape[1]
    keys, values = (t.repeat_interleave(groups, dim=1) for t in (keys, values))
    root = (query.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    scores = (query * root) @ (keys * root).transpose(-1, -2)
    capped = softcap * torch.tanh(scores / softcap) if softcap > 0 else scores
    biased = capped if bias is None else capped + bias
    wide = biased if precision is None else biased.to(precision)
    weights = torch.softmax(wide, dim=-1).nan_to_num(0.0).to(query.dtype)
    return weights @ values, scores, capped, biased, weights


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
