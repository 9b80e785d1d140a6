"""Linear attention."""

import mindspore
from mindspore import Tensor, ops

from .activations import sigmoid


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
    wide = mindspore.float32
    q, k, v = query.to(wide), key.to(wide), value.to(wide)
    (batch, heads, time, _), kv_heads = q.shape, k.shape[1]
    decay = None if decay is None else decay.to(wide)
    beta = None if beta is None else ops.unsqueeze(beta.to(wide).swapaxes(1, 2), -1)
    now = ops.zeros((batch, kv_heads, k.shape[-1], v.shape[-1]), wide) if state is None else state.to(wide)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    outputs = []
    for t in range(time):
        if decay is not None:
            now = now * ops.unsqueeze(ops.exp(decay[:, :, t]), -1)
        written = v[:, :, t]
        if beta is not None:
            written = beta[:, :, t] * (written - ops.matmul(ops.unsqueeze(k[:, :, t], -2), now).squeeze(-2))
        now = now + ops.unsqueeze(k[:, :, t], -1) * ops.unsqueeze(written, -2)
        every = now if heads == kv_heads else ops.repeat_interleave(now, heads // kv_heads, 1)
        outputs.append(scale * ops.matmul(ops.unsqueeze(q[:, :, t], -2), every).squeeze(-2))
    return ops.stack(outputs, 1).reshape(batch, time, -1).to(dtype), now.to(kept)


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, state: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor]:
    """Return the convolution of each channel with what came before, and what the next call needs."""
    taps, length = weight.shape[-1], x.shape[-1]
    whole = x
    if taps > 1:
        state = ops.zeros((*x.shape[:2], taps - 1), x.dtype) if state is None else state.to(x.dtype)
        whole = ops.cat([state, x], -1)
    result = 0 if bias is None else bias.reshape(1, -1, 1)
    for i in range(taps):
        result = result + whole[..., i : i + length] * weight[:, 0, i].reshape(1, -1, 1)
    last = whole[..., whole.shape[-1] - (taps - 1) :] if taps > 1 else ops.zeros((*x.shape[:2], 0), x.dtype)
    return result * sigmoid(result) if silu else result, last
