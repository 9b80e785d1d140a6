"""Two small networks that are one, with other names, q, k and v apart or packed, and a transposed matrix."""

import torch
from torch import nn


class Apart(nn.Module):
    """q, k and v are layers of their own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.q, self.k, self.v = (nn.Linear(6, 6) for _ in range(3))
        self.norm = nn.BatchNorm1d(6)
        self.out = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        weights = (self.q(x) @ self.k(x).transpose(1, 2) / 6**0.5).softmax(-1)
        return self.out(weights @ self.v(x))


class Packed(nn.Module):
    """They are one, head and all; the last matrix is stored as NumPy users store it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.head = nn.Parameter(torch.randn(6, 4))
        self.bn = nn.BatchNorm1d(6)
        self.qkv = nn.Linear(6, 18)

    def forward(self, x):
        x = self.bn(x.transpose(1, 2)).transpose(1, 2)
        q, k, v = self.qkv(x).chunk(3, -1)
        return ((q @ k.transpose(1, 2) / 6**0.5).softmax(-1) @ v) @ self.head


class First(nn.Sequential):
    """A small classifier of images."""

    def __init__(self):
        super().__init__(
            nn.Identity(),
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 5),
        )


class Second(nn.Module):
    """The same, its layers in a list."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 5)
        self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x.relu().mean((2, 3)))
