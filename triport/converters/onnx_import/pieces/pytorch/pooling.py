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
    pads, counted = [], []
    for i in reversed(range(rank)):
        pads += [padding[i], padding[rank + i]]
        edges = padding[i::rank]
        counted += [0, window_overhang(x.shape[2 + i], kernel[i], stride[i], edges, dilation[i], ceil_mode)]
    inside = F.pad(torch.ones_like(x), pads, value=1.0 if count_include_pad else 0.0)
    x, inside = F.pad(F.pad(x, pads), counted), F.pad(inside, counted)
    x, inside = (window_sums(t, kernel, stride, dilation) for t in (x, inside))
    return x / inside


def window_sums(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Tensor:
    """Return the sum over each window."""
    for i in range(len(kernel)):
        reach = (kernel[i] - 1) * dilation[i] + 1
        x = x.unfold(2 + i, reach, stride[i])[..., :: dilation[i]].sum(dim=-1)
    return x


def lp_pool(
    x: Tensor,
    p: int,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Tensor:
    """Return the p-norm of each window; `padding` is all begins, then all ends.

    A window that reaches beyond the padding has the norm of what is inside, which F.lp_pool2d scales up.
    """
    rank = len(kernel)
    beyond = [
        window_overhang(x.shape[2 + i], kernel[i], stride[i], padding[i::rank], dilation[i], ceil_mode)
        for i in range(rank)
    ]
    pads = [n for i in reversed(range(rank)) for n in (padding[i], padding[rank + i] + beyond[i])]
    return window_sums(F.pad(x.abs().pow(p), pads), kernel, stride, dilation).pow(1 / p)


def window_overhang(
    size: int, kernel: int, stride: int, padding: tuple[int, ...], dilation: int, ceil_mode: bool
) -> int:
    """Return how far the last window reaches beyond the padding along an axis."""
    padded, reach = size + sum(padding), (kernel - 1) * dilation + 1
    steps = (padded - reach) // stride
    if ceil_mode and (padded - reach) % stride and (steps + 1) * stride < size + padding[0]:
        steps += 1
    return max(steps * stride + reach - padded, 0)


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
