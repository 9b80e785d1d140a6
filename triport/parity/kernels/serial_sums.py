"""PyTorch with means and sums of many numbers taken one after another, as some libraries take them.

PyTorch adds in a cascade, whose error hardly grows with the number of terms, in every memory layout. ONNX
Runtime's pools and means have few accumulators: of equal numbers, as an image of one colour has, each
addition rounds to the same side, and the mean of 64 x 64 of them is off by some 170 roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from triport.converters.torch_export.dispatch_mode import dispatch_mode

# of fewer, no order of summation is off by more than what is allowed at the least
MANY = 256


@contextmanager
def serial_sums(torch: Any) -> Iterator[None]:
    """Let float32 means, sums and global pools over many numbers be summed with one accumulator."""
    aten = torch.ops.aten
    reductions = {aten.mean.dim: True, aten.sum.dim_IntList: False}
    pools = {aten.adaptive_avg_pool2d.default: 2, aten._adaptive_avg_pool2d.default: 2}
    pools |= {aten.adaptive_avg_pool1d.default: 1, aten.adaptive_avg_pool3d.default: 3}
    pools |= {aten._adaptive_avg_pool3d.default: 3}

    mode: Any = dispatch_mode(torch)

    class Serial(mode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), words: Any = None
        ) -> Any:
            words = words or {}
            if function in reductions and not words.get("dtype"):
                dims, keep = arguments[1], arguments[2] if len(arguments) > 2 else words.get("keepdim", False)
                found = _summed(torch, arguments[0], dims, keep, reductions[function])
            elif function in pools and all(size == 1 for size in arguments[1]):
                found = _summed(torch, arguments[0], range(-pools[function], 0), True, True)
            else:
                found = None
            return function(*arguments, **words) if found is None else found

    with Serial():
        yield


def _summed(torch: Any, tensor: Any, dims: Any, keep: bool, mean: bool) -> Any:
    """Return the sum or the mean over some axes; None where it is not of many float32 numbers."""
    axes = sorted(axis % tensor.ndim for axis in (dims if dims is not None else range(tensor.ndim)))
    count = int(np.prod([tensor.shape[axis] for axis in axes], initial=1))
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not axes or count < MANY:
        return None
    kept = [axis for axis in range(tensor.ndim) if axis not in axes]
    array = tensor.detach().numpy().transpose(*kept, *axes)
    flat = np.ascontiguousarray(array).reshape(-1, count)
    total = np.array([np.add.accumulate(row)[-1] for row in flat], np.float32)
    if mean:
        total = total / np.float32(count)
    shape = [1 if axis in axes else size for axis, size in enumerate(tensor.shape) if keep or axis in kept]
    return torch.from_numpy(total.reshape(shape))
