"""The same network, ported to PyTorch by hand: other names and nesting, the head as a 1x1 convolution."""

import torch
from torch import nn
from torch.nn import functional


class Cascade(nn.Module):
    """3x3 convolutions on pieces of the channels, each added to the next piece, except in a first block."""

    def __init__(self, width, stride, first, count_padding):
        super().__init__()
        self.branches = nn.ModuleList(unit(width, width, 3, stride) for _ in range(3))
        self.pool = nn.AvgPool2d(3, stride, 1, count_include_pad=count_padding) if first else None

    def forward(self, x):
        pieces = x.chunk(4, 1)
        parts = []
        for branch, piece in zip(self.branches, pieces, strict=False):
            parts.append(branch(piece if self.pool or not parts else parts[-1] + piece).relu())
        rest = self.pool(pieces[3]) if self.pool else pieces[3]
        return torch.cat([*parts, rest], 1)


class Block(nn.Module):
    """1x1, the cascade, 1x1, and a shortcut that is pooled where the block is."""

    def __init__(self, before, width, after, stride, first, count_padding):
        super().__init__()
        self.shortcut = unit(before, after, 1) if first else nn.Identity()
        self.shrink = nn.AvgPool2d(stride, stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.squeeze = unit(before, 4 * width, 1)
        self.cascade = Cascade(width, stride, first, count_padding)
        self.expand = unit(4 * width, after, 1)

    def forward(self, x):
        y = self.expand(self.cascade(self.squeeze(x).relu()))
        return (y + self.shortcut(self.shrink(x))).relu()


class Port(nn.Module):
    """Logits (N, 10) from images (N, 3, 32, 32). `count_padding` is what the first version had wrong."""

    def __init__(self, count_padding=True):
        super().__init__()
        self.head = nn.Conv2d(256, 10, 1)
        self.trunk = nn.ModuleList()
        before = 16
        for depth, width, after, stride in ((1, 6, 64, 1), (2, 13, 128, 2), (2, 26, 256, 2), (1, 26, 256, 2)):
            for index in range(depth):
                first = index == 0
                self.trunk.append(Block(before, width, after, stride if first else 1, first, count_padding))
                before = after
        self.stem = nn.ModuleList([unit(3, 8, 3, 2), unit(8, 8, 3), unit(8, 16, 3)])

    def forward(self, x):
        for layer in self.stem:
            x = layer(x).relu()
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in self.trunk:
            x = block(x)
        return self.head(x.mean((2, 3), keepdim=True)).flatten(1)


def unit(before, after, kernel, stride=1):
    """Return a convolution and its norm."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
    )
