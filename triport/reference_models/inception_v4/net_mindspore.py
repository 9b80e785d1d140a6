"""Inception-v4 in MindSpore, with MindCV's parameter names. Read beside net_torch.py."""

from __future__ import annotations

from mindspore import Tensor, nn

from triport.reference_models.layers_mindspore import (
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


class ConvNorm(nn.Cell):
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

    def construct(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


# parity: MindCV has the stem in one cell, timm has its three forks as modules of their own
class Stem(nn.Cell):
    """From 299 x 299 to 35 x 35: three convolutions, then three forks, two of them with a max-pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2)
        self.conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.mixed_3a_branch_0 = max_pool2d(3, 2)
        self.mixed_3a_branch_1 = ConvNorm(64, 96, 3, stride=2)
        self.mixed_4a_branch_0 = sequential(ConvNorm(160, 64, 1), ConvNorm(64, 96, 3))
        self.mixed_4a_branch_1 = sequential(
            ConvNorm(160, 64, 1),
            ConvNorm(64, 64, (1, 7), padding=(0, 3)),
            ConvNorm(64, 64, (7, 1), padding=(3, 0)),
            ConvNorm(64, 96, 3),
        )
        self.mixed_5a_branch_0 = ConvNorm(192, 192, 3, stride=2)
        self.mixed_5a_branch_1 = max_pool2d(3, 2)

    def construct(self, x: Tensor) -> Tensor:
        x = self.conv2d_2b_3x3(self.conv2d_2a_3x3(self.conv2d_1a_3x3(x)))
        x = concat_channels([self.mixed_3a_branch_0(x), self.mixed_3a_branch_1(x)])
        x = concat_channels([self.mixed_4a_branch_0(x), self.mixed_4a_branch_1(x)])
        return concat_channels([self.mixed_5a_branch_0(x), self.mixed_5a_branch_1(x)])


class InceptionA(nn.Cell):
    """Four branches at 35 x 35, with 3x3 kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch_0 = ConvNorm(384, 96, 1)
        self.branch_1 = sequential(ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1))
        self.branch_2 = sequential(
            ConvNorm(384, 64, 1), ConvNorm(64, 96, 3, padding=1), ConvNorm(96, 96, 3, padding=1)
        )
        self.branch_3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(384, 96, 1))

    def construct(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)])


class ReductionA(nn.Cell):
    """From 35 x 35 to 17 x 17."""

    def __init__(self) -> None:
        super().__init__()
        self.branch_0 = ConvNorm(384, 384, 3, stride=2)
        self.branch_1 = sequential(
            ConvNorm(384, 192, 1), ConvNorm(192, 224, 3, padding=1), ConvNorm(224, 256, 3, stride=2)
        )
        self.branch_2 = max_pool2d(3, 2)

    def construct(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch_0(x), self.branch_1(x), self.branch_2(x)])


class InceptionB(nn.Cell):
    """Four branches at 17 x 17, with 1x7 and 7x1 kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.branch_0 = ConvNorm(1024, 384, 1)
        self.branch_1 = sequential(
            ConvNorm(1024, 192, 1),
            ConvNorm(192, 224, (1, 7), padding=(0, 3)),
            ConvNorm(224, 256, (7, 1), padding=(3, 0)),
        )
        self.branch_2 = sequential(
            ConvNorm(1024, 192, 1),
            ConvNorm(192, 192, (7, 1), padding=(3, 0)),
            ConvNorm(192, 224, (1, 7), padding=(0, 3)),
            ConvNorm(224, 224, (7, 1), padding=(3, 0)),
            ConvNorm(224, 256, (1, 7), padding=(0, 3)),
        )
        self.branch_3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(1024, 128, 1))

    def construct(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch_0(x), self.branch_1(x), self.branch_2(x), self.branch_3(x)])


class ReductionB(nn.Cell):
    """From 17 x 17 to 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch_0 = sequential(ConvNorm(1024, 192, 1), ConvNorm(192, 192, 3, stride=2))
        self.branch_1 = sequential(
            ConvNorm(1024, 256, 1),
            ConvNorm(256, 256, (1, 7), padding=(0, 3)),
            ConvNorm(256, 320, (7, 1), padding=(3, 0)),
            ConvNorm(320, 320, 3, stride=2),
        )
        self.branch_2 = max_pool2d(3, 2)

    def construct(self, x: Tensor) -> Tensor:
        return concat_channels([self.branch_0(x), self.branch_1(x), self.branch_2(x)])


class InceptionC(nn.Cell):
    """Four branches at 8 x 8; two of them end in a 1x3 beside a 3x1 kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.branch_0 = ConvNorm(1536, 256, 1)
        self.branch_1 = ConvNorm(1536, 384, 1)
        self.branch_1_1 = ConvNorm(384, 256, (1, 3), padding=(0, 1))
        self.branch_1_2 = ConvNorm(384, 256, (3, 1), padding=(1, 0))
        self.branch_2 = sequential(
            ConvNorm(1536, 384, 1),
            ConvNorm(384, 448, (3, 1), padding=(1, 0)),
            ConvNorm(448, 512, (1, 3), padding=(0, 1)),
        )
        self.branch_2_1 = ConvNorm(512, 256, (1, 3), padding=(0, 1))
        self.branch_2_2 = ConvNorm(512, 256, (3, 1), padding=(1, 0))
        self.branch_3 = sequential(avg_pool2d(3, 1, "same"), ConvNorm(1536, 256, 1))

    def construct(self, x: Tensor) -> Tensor:
        x1 = self.branch_1(x)
        x2 = self.branch_2(x)
        return concat_channels(
            [
                self.branch_0(x),
                self.branch_1_1(x1),
                self.branch_1_2(x1),
                self.branch_2_1(x2),
                self.branch_2_2(x2),
                self.branch_3(x),
            ]
        )


class InceptionV4(nn.Cell):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: InceptionV4Config, num_classes: int) -> None:
        super().__init__()
        a, b, c = config.blocks
        self.features = sequential(
            Stem(),
            *(InceptionA() for _ in range(a)),
            ReductionA(),
            *(InceptionB() for _ in range(b)),
            ReductionB(),
            *(InceptionC() for _ in range(c)),
        )
        self.pool = global_avg_pool2d()
        self.classifier = dense(1536, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)))


def build(config: InceptionV4Config, num_classes: int) -> nn.Cell:
    """Return the network with MindSpore's default initial weights."""
    return InceptionV4(config, num_classes)
