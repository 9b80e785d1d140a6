"""A small network of one's own in PyTorch, with seeded weights, to be taken to other runtimes.

python cli.py convert examples/own_module.py:build --to mindspore --input 2x3x32x32 -o own_module
"""

import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        return torch.relu(x + self.conv2(torch.relu(self.bn1(self.conv1(x)))))


class OwnNet(nn.Module):
    """A classifier of images (N, 3, H, W)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.block1 = Block(channels)
        self.block2 = Block(channels)
        self.norm = nn.LayerNorm(channels)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes)."""
        x = self.block2(self.block1(self.stem(x)))
        return self.fc(self.norm(x.mean((2, 3))))


def build(channels: int = 16, classes: int = 10) -> nn.Module:
    """Return the network, with the same weights each time."""
    torch.manual_seed(0)
    return OwnNet(channels, classes).eval()
