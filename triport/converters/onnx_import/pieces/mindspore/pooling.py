"""Windows of any rank, by slices."""

import itertools

import mindspore
from mindspore import Tensor, ops


def windows(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    value: float,
) -> list[Tensor]:
    """Return what each tap of a window sees; `padding` is all begins, then all ends."""
    rank = len(kernel)
    pads, steps = [], []
    for i in range(rank):
        size = x.shape[2 + i] + padding[i] + padding[rank + i]
        reach = (kernel[i] - 1) * dilation[i] + 1
        count = (size - reach) // stride[i]
        if ceil_mode and (size - reach) % stride[i] and (count + 1) * stride[i] < x.shape[2 + i] + padding[i]:
            count += 1
        steps.append(count + 1)
        pads.append((padding[i], max(padding[rank + i] + count * stride[i] + reach - size, 0)))
    for i, (before, after) in enumerate(pads):
        for size, first in ((before, True), (after, False)):
            if size:
                shape = list(x.shape)
                shape[2 + i] = size
                edge = ops.full(tuple(shape), value, dtype=x.dtype)
                x = ops.cat([edge, x] if first else [x, edge], 2 + i)
    taps = []
    for places in itertools.product(*(range(k) for k in kernel)):
        tap = x
        for i, place in enumerate(places):
            at = [place * dilation[i] + n * stride[i] for n in range(steps[i])]
            tap = ops.gather(tap, mindspore.Tensor(at), 2 + i)
        taps.append(tap)
    return taps


def max_pool(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Tensor:
    """Return the largest of each window."""
    return ops.amax(ops.stack(windows(x, kernel, stride, padding, dilation, ceil_mode, float("-inf"))), (0,))


def max_pool_with_indices(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    """Return the largest of each window, and its place, counted over all of x."""
    given = (kernel, stride, padding, dilation, ceil_mode)
    taps = ops.stack(windows(x, *given, float("-inf")))
    places = ops.arange(x.size).reshape(x.shape)
    places = ops.stack(windows(places, *given, 0))
    best = ops.unsqueeze(ops.argmax(taps, 0), 0)
    return ops.amax(taps, (0,)), ops.gather_elements(places, 0, best).squeeze(0)


def unpool(x: Tensor, indices: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Put values where their indices, counted over a tensor of that shape, say; zero elsewhere."""
    flat = ops.zeros(shape, x.dtype).reshape(-1)
    return ops.tensor_scatter_update(flat, indices.reshape(-1, 1), x.reshape(-1)).reshape(shape)


def unpool_into(x: Tensor, indices: Tensor, shape: tuple[int, ...], larger: tuple[int, ...]) -> Tensor:
    """Put values as `unpool` does, into the first places of a larger tensor."""
    small = unpool(x, indices, shape)
    for axis, (a, b) in enumerate(zip(larger, shape)):
        if a > b:
            edge = list(small.shape)
            edge[axis] = a - b
            small = ops.cat([small, ops.zeros(tuple(edge), x.dtype)], axis)
    return small


def average_pool(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """Return the mean of each window; what lies beyond the padding never counts."""
    given = (kernel, stride, padding, dilation, ceil_mode)
    total = ops.sum(ops.stack(windows(x, *given, 0.0)), 0)
    if count_include_pad:
        rank = len(kernel)
        ones = ops.ones_like(x)
        for i in range(rank):
            for size in (padding[i], padding[rank + i]):
                if size:
                    shape = list(ones.shape)
                    shape[2 + i] = size
                    ones = ops.cat([ones, ops.ones(tuple(shape), x.dtype)], 2 + i)
        counted = ops.sum(
            ops.stack(windows(ones, kernel, stride, (0,) * 2 * rank, dilation, ceil_mode, 0.0)), 0
        )
        for axis in range(2, 2 + rank):  # none counts that begins in the padding
            counted = ops.gather(counted, mindspore.Tensor(list(range(total.shape[axis]))), axis)
        return total / counted
    return total / ops.sum(ops.stack(windows(ops.ones_like(x), *given, 0.0)), 0)


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Convolve over any number of axes, a tap of the kernel after the other."""
    rank = weight.ndim - 2
    taps = windows(x, tuple(weight.shape[2:]), stride, padding, dilation, False, 0.0)
    kernel = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    result, spatial = ops.zeros((1,), x.dtype), taps[0].shape[2:]
    for i, tap in enumerate(taps):
        columns = tap.reshape(tap.shape[0], groups, weight.shape[1], -1)
        result = result + ops.matmul(ops.unsqueeze(kernel[..., i], 0), columns)
    result = result.reshape(x.shape[0], weight.shape[0], *spatial)
    return result if bias is None else result + bias.reshape(1, -1, *(1,) * rank)


def transposed_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    extra: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Convolve what has zeros between its places, with the kernel turned round."""
    rank = weight.ndim - 2
    for i in range(rank):
        axis = 2 + i
        column = ops.unsqueeze(x, axis + 1)
        spread = ops.cat([column, *[ops.zeros_like(column)] * (stride[i] - 1)], axis + 1)
        x = spread.reshape(*x.shape[:axis], x.shape[axis] * stride[i], *x.shape[axis + 1 :])
        reach = (weight.shape[axis] - 1) * dilation[i]
        first, last = padding[i] - reach, x.shape[axis] - stride[i] + 1 + reach - padding[rank + i] + extra[i]
        edges = [list(x.shape), list(x.shape)]
        edges[0][axis], edges[1][axis] = max(-first, 0), max(last - x.shape[axis], 0)
        places = mindspore.Tensor(list(range(max(first, 0), min(last, x.shape[axis]))))
        x = ops.gather(x, places, axis)
        before, after = (ops.zeros(tuple(edge), x.dtype) if edge[axis] else None for edge in edges)
        x = ops.cat([part for part in (before, x, after) if part is not None], axis)
    kernel = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
    kernel = kernel.reshape(-1, *kernel.shape[2:])
    kernel = ops.flip(kernel, tuple(range(2, 2 + rank)))
    return convolution(x, kernel, bias, (1,) * rank, (0,) * 2 * rank, dilation, groups)


def same_padding(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    lower: bool,
) -> tuple[int, ...]:
    """Return the padding with which there are ceil(size / stride) windows: all begins, then all ends."""
    less, more = [], []
    for n, k, s, d in zip(size, kernel, stride, dilation):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less.append(total // 2)
        more.append(total - total // 2)
    return (*more, *less) if lower else (*less, *more)


def pad_windows(x: Tensor, padding: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Pad the axes behind the channels; `padding` is all begins, then all ends."""
    rank = len(padding) // 2
    pads = []
    for i in reversed(range(rank)):
        pads += [padding[i], padding[rank + i]]
    return ops.pad(x, pads, value=value)
