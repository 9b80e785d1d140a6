"""PyTorch layers under names and defaults that both frameworks share.

`layers_mindspore.py` has the same functions with the same signatures. Defaults on which the
frameworks differ are written out here and nowhere else; arguments have PyTorch's meaning.
Activations are (N, C, H, W).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Same = Literal["same"]

# What a max-pool must see outside the image: zeros would change maxima of negative values.
_NOTHING = float("-inf")


def _same_padding(x: Tensor, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Return TensorFlow's SAME padding for `x` as (left, right, top, bottom): the odd pixel goes last."""
    # int(): the size is part of the graph when it is exported
    height, width = (max((-(-int(n) // stride) - 1) * stride + kernel - int(n), 0) for n in x.shape[-2:])
    return width // 2, width - width // 2, height // 2, height - height // 2


class _SameConv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        padding = _same_padding(x, int(self.kernel_size[0]), int(self.stride[0]))
        return self._conv_forward(functional.pad(x, padding), self.weight, self.bias)


class _SameMaxPool2d(nn.Module):
    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        padding = _same_padding(x, self.kernel, self.stride)
        return functional.max_pool2d(functional.pad(x, padding, value=_NOTHING), self.kernel, self.stride)


class _SameAvgPool2d(nn.Module):
    """Averages over the pixels inside the image only, as MindSpore's pad_mode="same" does."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        left, _, top, _ = _same_padding(x, self.kernel, self.stride)
        # ceil_mode is the odd pixel at the end; it needs a stride or an odd kernel to reach there
        return functional.avg_pool2d(
            x, self.kernel, self.stride, (top, left), ceil_mode=True, count_include_pad=False
        )


class _GlobalAvgPool2d(nn.Module):
    def __init__(self, keep_dims: bool) -> None:
        super().__init__()
        self.keep_dims = keep_dims

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=self.keep_dims)


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int | tuple[int, int] | Same = 0,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Return a convolution; `padding` is symmetric pixels (height, width), or "same" as in TensorFlow."""
    if padding == "same":
        return _SameConv2d(in_channels, out_channels, kernel, stride, 0, dilation, groups, bias)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)


def norm2d(channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> nn.Module:
    """Return a BatchNorm; `momentum` is the weight of the new batch."""
    return nn.BatchNorm2d(channels, eps=eps, momentum=momentum)


def dense(in_features: int, out_features: int) -> nn.Module:
    """Return a fully connected layer with a bias."""
    return nn.Linear(in_features, out_features)


def max_pool2d(kernel: int, stride: int, padding: int | Same = 0) -> nn.Module:
    """Return a max-pool that rounds its output size down; `padding` is pixels, or "same" as in TensorFlow."""
    if padding == "same":
        return _SameMaxPool2d(kernel, stride)
    return nn.MaxPool2d(kernel, stride, padding, ceil_mode=False)


def avg_pool2d(
    kernel: int,
    stride: int,
    padding: int | Same = 0,
    *,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> nn.Module:
    """Return an average pool; "same" padding is TensorFlow's and is not counted."""
    if padding == "same":
        if stride == 1 and kernel % 2 == 0:
            raise ValueError(f"an average pool of kernel {kernel} and stride 1 has no same padding here")
        return _SameAvgPool2d(kernel, stride)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad)


def global_avg_pool2d(*, keep_dims: bool = False) -> nn.Module:
    """Return the mean over height and width: (N, C), or (N, C, 1, 1) with `keep_dims`."""
    return _GlobalAvgPool2d(keep_dims)


def relu() -> nn.Module:
    """Return max(x, 0)."""
    return nn.ReLU()


def relu6() -> nn.Module:
    """Return min(max(x, 0), 6)."""
    return nn.ReLU6()


def sigmoid() -> nn.Module:
    """Return 1 / (1 + exp(-x))."""
    return nn.Sigmoid()


def identity() -> nn.Module:
    """Return a layer that does nothing."""
    return nn.Identity()


def flatten() -> nn.Module:
    """Return a layer that makes (N, C, H, W) into (N, C * H * W)."""
    return nn.Flatten(start_dim=1)


def sequential(*layers: nn.Module) -> nn.Sequential:
    """Return the layers one after the other, named by their index."""
    return nn.Sequential(*layers)


def layer_list(*layers: nn.Module) -> nn.ModuleList:
    """Return a list of layers, named by their index."""
    return nn.ModuleList(layers)


def split_channels(x: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Return `parts` equal pieces of the channels of (N, C, H, W)."""
    return torch.chunk(x, parts, dim=1)


def concat_channels(parts: list[Tensor]) -> Tensor:
    """Return the pieces joined along the channels."""
    return torch.cat(parts, dim=1)


def zero_pad2d(padding: int) -> nn.Module:
    """Return a layer that puts `padding` rows and columns of zeros around the image."""
    return nn.ZeroPad2d(padding)
