"""A U-Net, a feature pyramid with a detector's head, and an autoencoder, in PyTorch.

Source: U-Net, https://arxiv.org/abs/1505.04597, with the names of https://github.com/milesial/Pytorch-UNet;
RetinaNet's pyramid and heads, https://arxiv.org/abs/1708.02002.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

UNET = (16, 32, 64, 128)
ANCHORS, CLASSES = 3, 5


class DoubleConv(nn.Module):
    """Two convolutions with norms."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Up(nn.Module):
    """A transposed convolution beside what the way down kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.conv = DoubleConv(2 * outputs, outputs)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        return self.conv(torch.cat([kept, self.up(x)], 1))


class UNet(nn.Module):
    """Four levels."""

    def __init__(self) -> None:
        super().__init__()
        self.inc = DoubleConv(3, UNET[0])
        self.down1, self.down2, self.down3 = (DoubleConv(UNET[n], UNET[n + 1]) for n in range(3))
        self.up1, self.up2, self.up3 = (Up(UNET[n + 1], UNET[n]) for n in (2, 1, 0))
        self.outc = nn.Conv2d(UNET[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(functional.max_pool2d(x1, 2))
        x3 = self.down2(functional.max_pool2d(x2, 2))
        x = self.down3(functional.max_pool2d(x3, 2))
        return self.outc(self.up3(self.up2(self.up1(x, x3), x2), x1))


class Pyramid(nn.Module):
    """A small backbone, three levels and the two heads that they share."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n, m, 3, 2, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU())
            for n, m in ((3, 16), (16, 32), (32, 64), (64, 128))
        )
        self.lateral = nn.ModuleList(nn.Conv2d(n, 32, 1) for n in (32, 64, 128))
        self.smooth = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=1) for _ in range(3))
        self.cls_tower = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.box_tower = nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.cls_logits = nn.Conv2d(32, ANCHORS * CLASSES, 3, padding=1)
        self.bbox_pred = nn.Conv2d(32, ANCHORS * 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        levels = [lateral(one) for lateral, one in zip(self.lateral, maps[1:], strict=True)]
        for n in (1, 0):
            levels[n] = levels[n] + functional.interpolate(levels[n + 1], scale_factor=2.0)
        levels = [smooth(one) for smooth, one in zip(self.smooth, levels, strict=True)]
        classes = [self.cls_logits(functional.relu(self.cls_tower(one))) for one in levels]
        return classes, [self.bbox_pred(functional.relu(self.box_tower(one))) for one in levels]


class Autoencoder(nn.Module):
    """Convolutions, a code from flattened maps, and transposed convolutions back."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU()
        )
        self.code = nn.Linear(32 * 8 * 8, 24)
        self.spread = nn.Linear(24, 32 * 8 * 8)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.code(self.encoder(x).flatten(1))
        return self.decoder(functional.relu(self.spread(code)).view(-1, 32, 8, 8)), code


def unet() -> nn.Module:
    """Return the U-Net."""
    return UNet()


def fpn() -> nn.Module:
    """Return the pyramid with its heads."""
    return Pyramid()


def autoencoder() -> nn.Module:
    """Return the autoencoder."""
    return Autoencoder()
