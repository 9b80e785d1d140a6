"""Inception-v4 in PyTorch, with timm's state-dict names. Read beside net_mindspore.py."""

from __future__ import annotations

from torch import Tensor, nn

from triport.reference_models.layers_torch import (
    avg_pool2d,
    concat_channels,
    conv2d,
    dense,
    global_avg_pool2d,
    max_pool2d,
    norm2d,
    relu,
    sequential,
)

from .spec import InceptionV4Config


class ConvNorm(nn.Module):
    """Convolution, BatchNorm, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel, stride=stride, padding=padding)
        # parity: 0.0003 is MindCV's and the paper's; timm leaves 0.1, which shows in training only
        self.bn = norm2d(out_channels, eps=1e-3, momentum=0.0003)
        self.relu = relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


# parity: timm has these three as modules of their own, MindCV has them in one cell, Stem
class Mixed3a(nn.Module):
    """Halves the image by a max-pool beside a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.maxpool = max_pool2d(3, 2)
        self.conv = ConvNorm(64, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.maxpool(x), self.conv(x)])


class Mixed4a(nn.Module):
    """A 3x3 convolution beside a 1x7, 7x1, 3x3 chain."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = sequential(ConvNorm(160, 64, 1), ConvNorm(64, 96, 3))
        self.branch1 = sequential(
            ConvNorm(160, 64, 1),
            ConvNorm(64, 64, (1, 7), padding=(0, 3)),
            ConvNorm(64, 64, (7, 1), padding=(3, 0)),
            ConvNorm(64, 96, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch0(x), self.branch1(x)])


class Mixed5a(nn.Module):
    """Halves the image by a convolution beside a max-pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvNorm(192, 192, 3, stride=2)
        self.maxpool = max_pool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.conv(x), self.maxpool(x)])


class InceptionA(nn.Module):
    """Four branches at 35 x 35, with 3x3 kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvNorm(384, 96, 1)
        self.branch1 = sequential(ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1))
        self.branch2 = sequential(
            ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1), ConvNorm(96, 96, 3, padding=1)
        )
        self.branch3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(384, 96, 1))

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)])


class ReductionA(nn.Module):
    """From 35 x 35 to 17 x 17."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvNorm(384, 384, 3, stride=2)
        self.branch1 = sequential(
            ConvNorm(384, 192, 1), ConvNorm(192, 224, 3, padding=1), ConvNorm(224, 256, 3, stride=2)
        )
        self.branch2 = max_pool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch0(x), self.branch1(x), self.branch2(x)])


class InceptionB(nn.Module):
    """Four branches at 17 x 17, with 1x7 and 7x1 kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvNorm(1024, 384, 1)
        self.branch1 = sequential(
            ConvNorm(1024, 192, 1),
            ConvNorm(192, 224, (1, 7), padding=(0, 3)),
            ConvNorm(224, 256, (7, 1), padding=(3, 0)),
        )
        self.branch2 = sequential(
            ConvNorm(1024, 192, 1),
            ConvNorm(192, 192, (7, 1), padding=(3, 0)),
            ConvNorm(192, 224, (1, 7), padding=(0, 3)),
            ConvNorm(224, 224, (7, 1), padding=(3, 0)),
            ConvNorm(224, 256, (1, 7), padding=(0, 3)),
        )
        self.branch3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(1024, 128, 1))

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)])


class ReductionB(nn.Module):
    """From 17 x 17 to 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = sequential(ConvNorm(1024, 192, 1), ConvNorm(192, 192, 3, stride=2))
        self.branch1 = sequential(
            ConvNorm(1024, 256, 1),
            ConvNorm(256, 256, (1, 7), padding=(0, 3)),
            ConvNorm(256, 320, (7, 1), padding=(3, 0)),
            ConvNorm(320, 320, 3, stride=2),
        )
        self.branch2 = max_pool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch0(x), self.branch1(x), self.branch2(x)])


class InceptionC(nn.Module):
    """Four branches at 8 x 8; two of them end in a 1x3 beside a 3x1 kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = ConvNorm(1536, 256, 1)
        self.branch1_0 = ConvNorm(1536, 384, 1)
        self.branch1_1a = ConvNorm(384, 256, (1, 3), padding=(0, 1))
        self.branch1_1b = ConvNorm(384, 256, (3, 1), padding=(1, 0))
        self.branch2_0 = ConvNorm(1536, 384, 1)
        self.branch2_1 = ConvNorm(384, 448, (3, 1), padding=(1, 0))
        self.branch2_2 = ConvNorm(448, 512, (1, 3), padding=(0, 1))
        self.branch2_3a = ConvNorm(512, 256, (1, 3), padding=(0, 1))
        self.branch2_3b = ConvNorm(512, 256, (3, 1), padding=(1, 0))
        self.branch3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(1536, 256, 1))

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.branch1_0(x)
        x2 = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        return concat_channels(
            [
                self.branch0(x),
                self.branch1_1a(x1),
                self.branch1_1b(x1),
                self.branch2_3a(x2),
                self.branch2_3b(x2),
                self.branch3(x),
            ]
        )


class InceptionV4(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: InceptionV4Config, num_classes: int) -> None:
        super().__init__()
        a, b, c = config.blocks
        self.features = sequential(
            ConvNorm(3, 32, 3, stride=2),
            ConvNorm(32, 32, 3),
            ConvNorm(32, 64, 3, padding=1),
            Mixed3a(),
            Mixed4a(),
            Mixed5a(),
            *(InceptionA() for _ in range(a)),
            ReductionA(),
            *(InceptionB() for _ in range(b)),
            ReductionB(),
            *(InceptionC() for _ in range(c)),
        )
        self.global_pool = global_avg_pool2d()
        self.last_linear = dense(1536, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last_linear(self.global_pool(self.features(x)))


def build(config: InceptionV4Config, num_classes: int) -> nn.Module:
    """Return the network with PyTorch's default initial weights."""
    return InceptionV4(config, num_classes)
