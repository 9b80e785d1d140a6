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
    """`layer1.0`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(16, 24, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(24)
        self.convs = nn.CellList([nn.Conv2d(6, 6, 3, pad_mode="pad", padding=1) for _ in range(3)])
        self.bns = nn.CellList([nn.BatchNorm2d(6) for _ in range(3)])
        self.pool = nn.AvgPool2d(3, 1)
        self.conv3 = nn.Conv2d(24, 64, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(64)
        self.downsample = nn.CellDict({"1": nn.Conv2d(16, 64, 1, pad_mode="pad"), "2": nn.BatchNorm2d(64)})

    def construct(self, x: Tensor) -> Tensor:
        """Return (N, 64, 8, 8) for x (N, 16, 8, 8)."""
        x2 = ops.relu(self.bn1(self.conv1(x)))
        x3 = ops.relu(self.bns[0](self.convs[0](x2[:, 0:6])))
        x4 = ops.relu(self.bns[1](self.convs[1](x2[:, 6:12])))
        x5 = ops.relu(self.bns[2](self.convs[2](x2[:, 12:18])))
        x2 = self.pool(ops.pad(x2[:, 18:24], (1, 1, 1, 1)))
        x3 = self.bn3(self.conv3(ops.cat([x3, x4, x5, x2], axis=1)))
        x3 = x3 + self.downsample["2"](self.downsample["1"](x))
        return ops.relu(x3)


class Block2(nn.Cell):
    """`layer2.0`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(64, 52, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(52)
        self.convs = nn.CellList(
            [nn.Conv2d(13, 13, 3, stride=2, pad_mode="pad", padding=1) for _ in range(3)]
        )
        self.bns = nn.CellList([nn.BatchNorm2d(13) for _ in range(3)])
        self.pool = nn.AvgPool2d(3, 2)
        self.conv3 = nn.Conv2d(52, 128, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(128)
        self.pool_2 = nn.AvgPool2d(2, 2)
        self.downsample = nn.CellDict({"1": nn.Conv2d(64, 128, 1, pad_mode="pad"), "2": nn.BatchNorm2d(128)})

    def construct(self, x: Tensor) -> Tensor:
        """Return (N, 128, 4, 4) for x (N, 64, 8, 8)."""
        x2 = ops.relu(self.bn1(self.conv1(x)))
        x3 = ops.relu(self.bns[0](self.convs[0](x2[:, 0:13])))
        x4 = ops.relu(self.bns[1](self.convs[1](x2[:, 13:26])))
        x5 = ops.relu(self.bns[2](self.convs[2](x2[:, 26:39])))
        x2 = self.pool(ops.pad(x2[:, 39:52], (1, 1, 1, 1)))
        x3 = self.bn3(self.conv3(ops.cat([x3, x4, x5, x2], axis=1)))
        x = self.downsample["2"](self.downsample["1"](self.pool_2(x)))
        return ops.relu(x3 + x)


class Block3(nn.Cell):
    """`layer2.1`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(128, 52, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(52)
        self.convs = nn.CellList([nn.Conv2d(13, 13, 3, pad_mode="pad", padding=1) for _ in range(3)])
        self.bns = nn.CellList([nn.BatchNorm2d(13) for _ in range(3)])
        self.conv3 = nn.Conv2d(52, 128, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(128)

    def construct(self, x: Tensor) -> Tensor:
        """Return (N, 128, 4, 4) for x (N, 128, 4, 4)."""
        x2 = ops.relu(self.bn1(self.conv1(x)))
        x3 = ops.relu(self.bns[0](self.convs[0](x2[:, 0:13])))
        x4 = self.bns[1](self.convs[1](x3 + x2[:, 13:26]))
        x4 = ops.relu(x4)
        x5 = self.bns[2](self.convs[2](x4 + x2[:, 26:39]))
        x3 = self.conv3(ops.cat([x3, x4, ops.relu(x5), x2[:, 39:52]], axis=1))
        return ops.relu(self.bn3(x3) + x)


class Block4(nn.Cell):
    """`layer3.0` and 1 more."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 104, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(104)
        self.convs = nn.CellList(
            [nn.Conv2d(26, 26, 3, stride=2, pad_mode="pad", padding=1) for _ in range(3)]
        )
        self.bns = nn.CellList([nn.BatchNorm2d(26) for _ in range(3)])
        self.pool = nn.AvgPool2d(3, 2)
        self.conv3 = nn.Conv2d(104, 256, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(256)
        self.pool_2 = nn.AvgPool2d(2, 2)
        self.downsample = nn.CellDict(
            {"1": nn.Conv2d(in_channels, 256, 1, pad_mode="pad"), "2": nn.BatchNorm2d(256)}
        )

    def construct(self, x: Tensor) -> Tensor:
        x2 = ops.relu(self.bn1(self.conv1(x)))
        x3 = ops.relu(self.bns[0](self.convs[0](x2[:, 0:26])))
        x4 = ops.relu(self.bns[1](self.convs[1](x2[:, 26:52])))
        x5 = ops.relu(self.bns[2](self.convs[2](x2[:, 52:78])))
        x2 = self.pool(ops.pad(x2[:, 78:104], (1, 1, 1, 1)))
        x3 = self.bn3(self.conv3(ops.cat([x3, x4, x5, x2], axis=1)))
        x = self.downsample["2"](self.downsample["1"](self.pool_2(x)))
        return ops.relu(x3 + x)


class Block5(nn.Cell):
    """`layer3.1`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(256, 104, 1, pad_mode="pad")
        self.bn1 = nn.BatchNorm2d(104)
        self.convs = nn.CellList([nn.Conv2d(26, 26, 3, pad_mode="pad", padding=1) for _ in range(3)])
        self.bns = nn.CellList([nn.BatchNorm2d(26) for _ in range(3)])
        self.conv3 = nn.Conv2d(104, 256, 1, pad_mode="pad")
        self.bn3 = nn.BatchNorm2d(256)

    def construct(self, x: Tensor) -> Tensor:
        """Return (N, 256, 2, 2) for x (N, 256, 2, 2)."""
        x2 = ops.relu(self.bn1(self.conv1(x)))
        x3 = ops.relu(self.bns[0](self.convs[0](x2[:, 0:26])))
        x4 = self.bns[1](self.convs[1](x3 + x2[:, 26:52]))
        x4 = ops.relu(x4)
        x5 = self.bns[2](self.convs[2](x4 + x2[:, 52:78]))
        x3 = self.conv3(ops.cat([x3, x4, ops.relu(x5), x2[:, 78:104]], axis=1))
        return ops.relu(self.bn3(x3) + x)


class Res2netDigits(nn.Cell):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.CellDict(
            {
                "0": nn.Conv2d(3, 8, 3, stride=2, pad_mode="pad", padding=1),
                "1": nn.BatchNorm2d(8),
                "3": nn.Conv2d(8, 8, 3, pad_mode="pad", padding=1),
                "4": nn.BatchNorm2d(8),
                "6": nn.Conv2d(8, 16, 3, pad_mode="pad", padding=1),
            },
        )
        self.bn1 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(3, 2)
        self.fc = nn.Dense(256, 10)
        self.layer1 = nn.CellList([Block()])
        self.layer2 = nn.SequentialCell(Block2(), Block3())
        self.layer3 = nn.SequentialCell(Block4(128), Block5())
        self.layer4 = nn.CellList([Block4(256)])

    def construct(self, input: Tensor) -> Tensor:
        """Return (N, 10) for input (N, 3, 32, 32)."""
        x = ops.relu(self.conv1["1"](self.conv1["0"](input)))
        x = ops.relu(self.conv1["4"](self.conv1["3"](x)))
        x = ops.relu(self.bn1(self.conv1["6"](x)))
        x = self.pool(ops.pad(x, (1, 1, 1, 1), value=float("-inf")))
        x = self.layer3(self.layer2(self.layer1[0](x)))
        return self.fc(ops.mean(self.layer4[0](x), axis=(2, -1), keep_dims=False))


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
