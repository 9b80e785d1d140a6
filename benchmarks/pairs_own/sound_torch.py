"""A temporal convolutional network and a Conformer block in PyTorch.

Source: https://arxiv.org/abs/1803.01271 (TCN); Conformer, https://arxiv.org/abs/2005.08100.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, HEADS = 40, 4


class TemporalBlock(nn.Module):
    """Two dilated convolutions that see only what was, beside the input."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.conv1 = nn.Conv1d(inputs, outputs, 3, dilation=dilation)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, dilation=dilation)
        self.downsample = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.conv1(functional.pad(x, (self.pad, 0))))
        y = functional.relu(self.conv2(functional.pad(y, (self.pad, 0))))
        return functional.relu(y + self.downsample(x))


class TCN(nn.Module):
    """Blocks of growing reach and a value for every step."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (1, 16, 24, 24, 32)
        self.network = nn.Sequential(*(TemporalBlock(sizes[n], sizes[n + 1], 2**n) for n in range(4)))
        self.linear = nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.network(x).transpose(1, 2))


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, a convolution along time, half a feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ff1, self.ff2 = self._feed_forward(), self._feed_forward()
        self.norm_att = nn.LayerNorm(WIDTH)
        self.att = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm_conv = nn.LayerNorm(WIDTH)
        self.pointwise1 = nn.Conv1d(WIDTH, 2 * WIDTH, 1)
        self.depthwise = nn.Conv1d(WIDTH, WIDTH, 7, padding=3, groups=WIDTH)
        self.batch_norm = nn.BatchNorm1d(WIDTH)
        self.pointwise2 = nn.Conv1d(WIDTH, WIDTH, 1)
        self.norm_out = nn.LayerNorm(WIDTH)

    @staticmethod
    def _feed_forward() -> nn.Sequential:
        return nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.SiLU(), nn.Linear(3 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.ff1(x)
        y = self.norm_att(x)
        x = x + self.att(y, y, y, need_weights=False)[0]
        y = functional.glu(self.pointwise1(self.norm_conv(x).transpose(1, 2)), 1)
        y = self.pointwise2(functional.silu(self.batch_norm(self.depthwise(y))))
        x = x + y.transpose(1, 2)
        return self.norm_out(x + 0.5 * self.ff2(x))


def tcn() -> nn.Module:
    """Return the temporal network."""
    return TCN()


def conformer() -> nn.Module:
    """Return two blocks and a classifier of every step."""
    torch.manual_seed(0)
    return nn.Sequential(ConformerBlock(), ConformerBlock(), nn.Linear(WIDTH, 9))
