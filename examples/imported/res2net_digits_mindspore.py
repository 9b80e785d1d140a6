"""res2net_digits in MindSpore, from an ONNX graph by triport.

The graph is of triport, opset 17.
Input input: (N, 3, 32, 32) float32.
Output logits: (N, 10) float32.
"""

from __future__ import annotations

from pathlib import Path

import mindspore
from mindspore import Tensor, nn, ops


class Block(nn.Cell):
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
        self.conv1 = nn.Conv2d(in_channels, hidden_channels, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.convs = nn.CellList(
            [
                nn.Conv2d(hidden_channels2, hidden_channels2, 3, stride=stride, pad_mode="pad", padding=1)
                for _ in range(3)
            ],
        )
        self.bns = nn.CellList([nn.BatchNorm2d(hidden_channels2) for _ in range(3)])
        self.pool = nn.AvgPool2d(3, stride)
        self.conv3 = nn.Conv2d(hidden_channels, out_channels, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.SequentialCell(
            nn.AvgPool2d(2, 2) if pool else nn.Identity(),
            nn.Conv2d(in_channels, out_channels, 1, pad_mode="pad"),
            nn.BatchNorm2d(out_channels),
        )

    def construct(self, x: Tensor) -> Tensor:
        x2 = ops.relu(self.bn1(self.conv1(x)))
        part, part2, part3, part4 = ops.chunk(x2, 4, axis=1)
        x2 = ops.relu(self.bns[0](self.convs[0](part)))
        x3 = ops.relu(self.bns[1](self.convs[1](part2)))
        x4 = ops.relu(self.bns[2](self.convs[2](part3)))
        x2 = ops.cat([x2, x3, x4, self.pool(ops.pad(part4, (1, 1, 1, 1)))], axis=1)
        x = self.downsample(x)
        x = self.bn3(self.conv3(x2)) + x
        return ops.relu(x)


class Block2(nn.Cell):
    """`layer2.1` and 1 more."""

    def __init__(self, channels: int, hidden_channels: int, hidden_channels2: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, hidden_channels, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(hidden_channels)
        self.convs = nn.CellList(
            [nn.Conv2d(hidden_channels2, hidden_channels2, 3, pad_mode="pad", padding=1) for _ in range(3)]
        )
        self.bns = nn.CellList([nn.BatchNorm2d(hidden_channels2) for _ in range(3)])
        self.conv3 = nn.Conv2d(hidden_channels, channels, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(channels)

    def construct(self, x: Tensor) -> Tensor:
        x2 = ops.relu(self.bn1(self.conv1(x)))
        part, part2, part3, part4 = ops.chunk(x2, 4, axis=1)
        x2 = ops.relu(self.bns[0](self.convs[0](part)))
        x3 = self.bns[1](self.convs[1](x2 + part2))
        x3 = ops.relu(x3)
        x4 = self.bns[2](self.convs[2](x3 + part3))
        x2 = self.conv3(ops.cat([x2, x3, ops.relu(x4), part4], axis=1))
        return ops.relu(self.bn3(x2) + x)


class Res2netDigits(nn.Cell):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.SequentialCell(
            nn.Conv2d(3, 8, 3, stride=2, pad_mode="pad", padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, pad_mode="pad", padding=1),
        )
        self.bn1 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(3, 2)
        self.layer1 = nn.SequentialCell(Block(16, 24, 6, 64))
        self.layer2 = nn.SequentialCell(Block(64, 52, 13, 128, stride=2, pool=True), Block2(128, 52, 13))
        self.layer3 = nn.SequentialCell(Block(128, 104, 26, 256, stride=2, pool=True), Block2(256, 104, 26))
        self.layer4 = nn.SequentialCell(Block(256, 104, 26, 256, stride=2, pool=True))
        self.fc = nn.Dense(256, 10)

    def construct(self, input: Tensor) -> Tensor:
        """Return (N, 10) for input (N, 3, 32, 32)."""
        x = ops.relu(self.bn1(self.conv1(input)))
        x = self.pool(ops.pad(x, (1, 1, 1, 1), value=float("-inf")))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(ops.mean(self.layer4(x), axis=(2, 3)))


# what the graph calls them
NAMES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def build(weights: bool = True) -> Res2netDigits:
    """Return the network, with the weights of the file beside this one unless they are not wanted."""
    network = Res2netDigits()
    for path, cell in network.cells_and_names():
        names = NAMES if isinstance(cell, nn.BatchNorm2d) else {}
        for leaf, parameter in cell.parameters_and_names(expand=False):
            leaf = names.get(leaf, leaf)
            parameter.name = f"{path}.{leaf}" if path else leaf
    if weights:
        path = Path(__file__).with_name("res2net_digits.safetensors")
        tensors = mindspore.load_checkpoint(str(path), format="safetensors")
        missing, unused = mindspore.load_param_into_net(network, tensors, strict_load=True)
        if missing or unused:
            raise ValueError(f"{path}: the weights are not this network's: {missing} {unused}")
    return network.set_train(False)
