"""Pools that PyTorch has not."""

import torch
from torch import Tensor
from torch.nn import functional as F


def average_pool(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """Average over windows, dilated and unevenly padded ones too; `padding` is all begins, then all ends."""
    rank = len(kernel)
    pads, extra, counted = [], [], []
    for i in range(rank):
        size = x.shape[2 + i] + padding[i] + padding[rank + i]
        reach = (kernel[i] - 1) * dilation[i] + 1
        steps = (size - reach) // stride[i]
        if ceil_mode and (size - reach) % stride[i] and (steps + 1) * stride[i] < x.shape[2 + i] + padding[i]:
            steps += 1
        extra.append(max(steps * stride[i] + reach - size, 0))
    for i in reversed(range(rank)):
        pads += [padding[i], padding[rank + i]]
        counted += [0, extra[i]]
    inside = F.pad(torch.ones_like(x), pads, value=1.0 if count_include_pad else 0.0)
    x, inside = F.pad(F.pad(x, pads), counted), F.pad(inside, counted)
    for i in range(rank):
        reach = (kernel[i] - 1) * dilation[i] + 1
        x, inside = (t.unfold(2 + i, reach, stride[i])[..., :: dilation[i]].sum(dim=-1) for t in (x, inside))
    return x / inside


def unpool(x: Tensor, indices: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Put values where their indices, counted over a tensor of that shape, say; zero elsewhere."""
    flat = torch.zeros(shape, dtype=x.dtype, device=x.device).reshape(-1)
    return flat.scatter(0, indices.reshape(-1), x.reshape(-1)).reshape(shape)


def unpool_into(x: Tensor, indices: Tensor, shape: tuple[int, ...], larger: tuple[int, ...]) -> Tensor:
    """Put values as `unpool` does, into the first places of a larger tensor."""
    small = unpool(x, indices, shape)
    pads = [n for a, b in zip(reversed(larger), reversed(shape), strict=True) for n in (0, a - b)]
    return F.pad(small, pads)


def same_padding(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    lower: bool,
) -> tuple[int, ...]:
    """Return the padding with which there are ceil(size / stride) windows: all begins, then all ends."""
    less, more = [], []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less.append(total // 2)
        more.append(total - total // 2)
    return (*more, *less) if lower else (*less, *more)


def pad_windows(x: Tensor, padding: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Pad the axes behind the channels; `padding` is all begins, then all ends."""
    rank = len(padding) // 2
    pads = [padding[i + side] for i in reversed(range(rank)) for side in (0, rank)]
    return F.pad(x, pads, value=value)
