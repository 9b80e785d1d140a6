"""MindSpore layers under names and defaults that both frameworks share.

`layers_torch.py` has the same functions with the same signatures. Defaults on which the
frameworks differ are written out here and nowhere else; arguments have PyTorch's meaning.
Activations are (N, C, H, W).
"""

from __future__ import annotations

from typing import Literal

from mindspore import Tensor, nn, ops

Same = Literal["same"]


class _GlobalAvgPool2d(nn.Cell):
    def __init__(self, keep_dims: bool) -> None:
        super().__init__()
        self.mean = ops.ReduceMean(keep_dims=keep_dims)

    def construct(self, x: Tensor) -> Tensor:
        return self.mean(x, (2, 3))


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
) -> nn.Cell:
    """Return a convolution; `padding` is symmetric pixels (height, width), or "same" as in TensorFlow."""
    if padding == "same":
        pad_mode, pixels = "same", (0, 0, 0, 0)
    else:
        height, width = (padding, padding) if isinstance(padding, int) else padding
        pad_mode, pixels = "pad", (height, height, width, width)
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride,
        pad_mode=pad_mode,
        padding=pixels,
        dilation=dilation,
        group=groups,
        has_bias=bias,
    )


def norm2d(channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> nn.Cell:
    """Return a BatchNorm; `momentum` is the weight of the new batch."""
    # parity: MindSpore's momentum is the weight of the old statistics
    return nn.BatchNorm2d(channels, eps=eps, momentum=1 - momentum)


def dense(in_features: int, out_features: int) -> nn.Cell:
    """Return a fully connected layer with a bias."""
    return nn.Dense(in_features, out_features)


def max_pool2d(kernel: int, stride: int, padding: int | Same = 0) -> nn.Cell:
    """Return a max-pool that rounds its output size down; `padding` is pixels, or "same" as in TensorFlow."""
    if padding == "same":
        return nn.MaxPool2d(kernel, stride, pad_mode="same")
    if padding == 0:
        return nn.MaxPool2d(kernel, stride, pad_mode="valid")
    return nn.MaxPool2d(kernel, stride, pad_mode="pad", padding=padding, ceil_mode=False)


def avg_pool2d(
    kernel: int,
    stride: int,
    padding: int | Same = 0,
    *,
    count_include_pad: bool = True,
    ceil_mode: bool = False,
) -> nn.Cell:
    """Return an average pool; "same" padding is TensorFlow's and is not counted."""
    if padding == "same":
        return nn.AvgPool2d(kernel, stride, pad_mode="same")
    if padding == 0 and not ceil_mode:
        return nn.AvgPool2d(kernel, stride, pad_mode="valid")
    return nn.AvgPool2d(
        kernel,
        stride,
        pad_mode="pad",
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


def global_avg_pool2d(*, keep_dims: bool = False) -> nn.Cell:
    """Return the mean over height and width: (N, C), or (N, C, 1, 1) with `keep_dims`."""
    return _GlobalAvgPool2d(keep_dims)


def relu() -> nn.Cell:
    """Return max(x, 0)."""
    return nn.ReLU()


def relu6() -> nn.Cell:
    """Return min(max(x, 0), 6)."""
    return nn.ReLU6()


def sigmoid() -> nn.Cell:
    """Return 1 / (1 + exp(-x))."""
    return nn.Sigmoid()


def identity() -> nn.Cell:
    """Return a layer that does nothing."""
    return nn.Identity()


def flatten() -> nn.Cell:
    """Return a layer that makes (N, C, H, W) into (N, C * H * W)."""
    return nn.Flatten(start_dim=1)


def sequential(*layers: nn.Cell) -> nn.SequentialCell:
    """Return the layers one after the other, named by their index."""
    return nn.SequentialCell(*layers)


def layer_list(*layers: nn.Cell) -> nn.CellList:
    """Return a list of layers, named by their index."""
    return nn.CellList(list(layers))


def split_channels(x: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Return `parts` equal pieces of the channels of (N, C, H, W)."""
    return ops.chunk(x, parts, axis=1)


def concat_channels(parts: list[Tensor]) -> Tensor:
    """Return the pieces joined along the channels."""
    return ops.concat(parts, axis=1)


def zero_pad2d(padding: int) -> nn.Cell:
    """Return a layer that puts `padding` rows and columns of zeros around the image."""
    around = (padding, padding)
    return nn.Pad(((0, 0), (0, 0), around, around), mode="CONSTANT")
