"""Linear attention."""

import torch
from torch import Tensor
from torch.nn import functional as F


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    state: Tensor | None,
    decay: Tensor | None,
    beta: Tensor | None,
    scale: float | None,
) -> tuple[Tensor, Tensor]:
    """Return what the queries read of a state that keys and values are written into, and the last state.

    All but `state` and `beta` come split by heads.
    """
    dtype, kept = query.dtype, query.dtype if state is None else state.dtype
    q, k, v = query.float(), key.float(), value.float()
    decay = None if decay is None else decay.float()
    beta = None if beta is None else beta.float().transpose(1, 2).unsqueeze(-1)
    now = k.new_zeros(*k.shape[:2], k.shape[-1], v.shape[-1]) if state is None else state.float()
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    outputs = []
    for t in range(q.shape[2]):
        if decay is not None:
            now = now * decay[:, :, t].exp().unsqueeze(-1)
        written = v[:, :, t]
        if beta is not None:
            written = beta[:, :, t] * (written - (k[:, :, t].unsqueeze(-2) @ now).squeeze(-2))
        now = now + k[:, :, t].unsqueeze(-1) * written.unsqueeze(-2)
        every = now.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        outputs.append(scale * (q[:, :, t].unsqueeze(-2) @ every).squeeze(-2))
    return torch.stack(outputs, dim=1).flatten(2).to(dtype), now.to(kept)


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, state: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor]:
    """Return the convolution of each channel with what came before, and what the next call needs."""
    before = weight.shape[-1] - 1
    state = x.new_zeros(*x.shape[:2], before) if state is None else state
    whole = torch.cat((state.to(x.dtype), x), dim=-1)
    result = F.conv1d(whole, weight, bias, groups=x.shape[1])
    return F.silu(result) if silu else result, whole[..., whole.shape[-1] - before :]
