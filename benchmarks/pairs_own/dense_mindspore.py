"""A U-Net, a feature pyramid with a detector's head, and an autoencoder, in MindSpore.

Source: ModelZoo's official/cv/Unet/src/unet_medical (channels halved), official/cv/RetinaNet/src (names of
the heads), written for the same sizes as their PyTorch counterparts. The autoencoder keeps channels last
between its two halves, so that its dense layers see another order of flattening.
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

UNET = (16, 32, 64, 128)
ANCHORS, CLASSES = 3, 5


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, pad_mode="pad", padding=kernel // 2, has_bias=bias)


class UnetBlock(nn.Cell):
    """Two convolutions with norms."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_a = _conv(inputs, outputs, bias=False)
        self.conv_b = _conv(outputs, outputs, bias=False)
        self.bn_a = nn.BatchNorm2d(outputs)
        self.bn_b = nn.BatchNorm2d(outputs)

    def construct(self, x: Tensor) -> Tensor:
        return ops.relu(self.bn_b(self.conv_b(ops.relu(self.bn_a(self.conv_a(x))))))


class UNet(nn.Cell):
    """Four levels."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (3, *UNET)
        self.downs = nn.CellList([UnetBlock(sizes[n], sizes[n + 1]) for n in range(4)])
        self.ups = nn.CellList(
            [nn.Conv2dTranspose(UNET[n + 1], UNET[n], 2, 2, "valid", has_bias=True) for n in range(3)]
        )
        self.joins = nn.CellList([UnetBlock(2 * UNET[n], UNET[n]) for n in range(3)])
        self.pool = nn.MaxPool2d(2, 2)
        self.last = _conv(UNET[0], 2, 1)

    def construct(self, x: Tensor) -> Tensor:
        kept = []
        for n in range(4):
            x = self.downs[n](x if n == 0 else self.pool(x))
            kept.append(x)
        for n in (2, 1, 0):
            x = self.joins[n](ops.concat((kept[n], self.ups[n](x)), 1))
        return self.last(x)


class Pyramid(nn.Cell):
    """A small backbone, three levels and the two heads that they share."""

    def __init__(self) -> None:
        super().__init__()
        self.heads_box = nn.SequentialCell(
            _conv(32, 32), nn.ReLU(), _conv(32, 32), nn.ReLU(), _conv(32, ANCHORS * 4)
        )
        self.heads_class = nn.SequentialCell(
            _conv(32, 32), nn.ReLU(), _conv(32, 32), nn.ReLU(), _conv(32, ANCHORS * CLASSES)
        )
        self.p3, self.p4, self.p5 = (_conv(n, 32, 1) for n in (32, 64, 128))
        self.out3, self.out4, self.out5 = (_conv(32, 32) for _ in range(3))
        self.c2, self.c3, self.c4, self.c5 = (
            nn.SequentialCell(_conv(n, m, stride=2, bias=False), nn.BatchNorm2d(m), nn.ReLU())
            for n, m in ((3, 16), (16, 32), (32, 64), (64, 128))
        )

    def construct(self, x: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        c3 = self.c3(self.c2(x))
        c4 = self.c4(c3)
        p5 = self.p5(self.c5(c4))
        p4 = self.p4(c4)
        p4 = p4 + ops.ResizeNearestNeighbor(p4.shape[2:])(p5)
        p3 = self.p3(c3)
        p3 = p3 + ops.ResizeNearestNeighbor(p3.shape[2:])(p4)
        levels = (self.out3(p3), self.out4(p4), self.out5(p5))
        classes = (self.heads_class(levels[0]), self.heads_class(levels[1]), self.heads_class(levels[2]))
        boxes = (self.heads_box(levels[0]), self.heads_box(levels[1]), self.heads_box(levels[2]))
        return classes, boxes


class Autoencoder(nn.Cell):
    """Convolutions, a code from maps flattened with channels last, and transposed convolutions back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 4, 2, "pad", 1, has_bias=True)
        self.conv2 = nn.Conv2d(16, 32, 4, 2, "pad", 1, has_bias=True)
        self.to_code = nn.Dense(32 * 8 * 8, 24)
        self.from_code = nn.Dense(24, 32 * 8 * 8)
        self.deconv1 = nn.Conv2dTranspose(32, 16, 4, 2, "pad", 1, has_bias=True)
        self.deconv2 = nn.Conv2dTranspose(16, 3, 4, 2, "pad", 1, has_bias=True)

    def construct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = ops.relu(self.conv2(ops.relu(self.conv1(x)))).transpose(0, 2, 3, 1)
        code = self.to_code(maps.reshape((maps.shape[0], -1)))
        maps = ops.relu(self.from_code(code)).reshape((-1, 8, 8, 32)).transpose(0, 3, 1, 2)
        return ops.sigmoid(self.deconv2(ops.relu(self.deconv1(maps)))), code


def unet() -> nn.Cell:
    """Return the U-Net."""
    return UNet()


def fpn() -> nn.Cell:
    """Return the pyramid with its heads."""
    return Pyramid()


def autoencoder() -> nn.Cell:
    """Return the autoencoder."""
    return Autoencoder()
