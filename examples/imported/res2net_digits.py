"""res2net_digits in PyTorch, from an ONNX graph by triport.

The graph is of triport, opset 17.
Input input: (N, 3, 32, 32) float32.
Output logits: (N, 10) float32.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """`layer1.0` and 3 more."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        hidden_channels2: int,
        out_channels: int,
        stride: int = 1,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(in_channels, hidden_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(hidden_channels2, hidden_channels2, 3, stride=stride, padding=1, bias=False)
                for _ in range(3)
            ],
        )
        self.bns = nn.ModuleList([nn.BatchNorm2d(hidden_channels2) for _ in range(3)])
        self.conv3 = nn.Conv2d(hidden_channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(2) if pool else nn.Identity(),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        x2 = F.relu(self.bn1(self.conv1(x)))
        part, part2, part3, part4 = x2.chunk(4, dim=1)
        x2 = F.relu(self.bns[0](self.convs[0](part)))
        x3 = F.relu(self.bns[1](self.convs[1](part2)))
        x4 = F.relu(self.bns[2](self.convs[2](part3)))
        x5 = F.avg_pool2d(F.pad(part4, (1, 1, 1, 1)), 3, stride=self.stride)
        x2 = self.bn3(self.conv3(torch.cat([x2, x3, x4, x5], dim=1)))
        return F.relu(x2 + self.downsample(x))


class Block2(nn.Module):
    """`layer2.1` and 1 more."""

    def __init__(self, channels: int, hidden_channels: int, hidden_channels2: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, hidden_channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.convs = nn.ModuleList(
            [nn.Conv2d(hidden_channels2, hidden_channels2, 3, padding=1, bias=False) for _ in range(3)]
        )
        self.bns = nn.ModuleList([nn.BatchNorm2d(hidden_channels2) for _ in range(3)])
        self.conv3 = nn.Conv2d(hidden_channels, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x2 = F.relu(self.bn1(self.conv1(x)))
        part, part2, part3, part4 = x2.chunk(4, dim=1)
        x2 = F.relu(self.bns[0](self.convs[0](part)))
        x3 = self.bns[1](self.convs[1](x2 + part2))
        x3 = F.relu(x3)
        x4 = self.bns[2](self.convs[2](x3 + part3))
        x2 = self.conv3(torch.cat([x2, x3, F.relu(x4), part4], dim=1))
        return F.relu(self.bn3(x2) + x)


class Res2netDigits(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
        )
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 24, 6, 64))
        self.layer2 = nn.Sequential(Block(64, 52, 13, 128, stride=2, pool=True), Block2(128, 52, 13))
        self.layer3 = nn.Sequential(Block(128, 104, 26, 256, stride=2, pool=True), Block2(256, 104, 26))
        self.layer4 = nn.Sequential(Block(256, 104, 26, 256, stride=2, pool=True))
        self.fc = nn.Linear(256, 10)

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, 10) for input (N, 3, 32, 32)."""
        x = F.relu(self.bn1(self.conv1(input)))
        x = self.layer2(self.layer1(F.max_pool2d(x, 3, stride=2, padding=1)))
        mean = self.layer4(self.layer3(x)).mean(dim=(2, 3))
        return self.fc(mean)


_DTYPES = {"F32": torch.float32}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file by name."""
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            kind, values = _DTYPES[entry["dtype"]], data[start + first : start + last]
            tensor = torch.frombuffer(values, dtype=kind) if values else torch.empty(0, dtype=kind)
            tensors[name] = tensor.reshape(entry["shape"])
    return tensors


def build(weights: bool = True) -> Res2netDigits:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = Res2netDigits()
    if weights:
        network.load_state_dict(read_weights(Path(__file__).with_name("res2net_digits.safetensors")))
    return network.eval()
