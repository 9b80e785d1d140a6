"""ResNet as MindSpore's tutorial and its ModelZoo write it.

Source: MindSpore's tutorial "ResNet50 transfer learning" (residual blocks, `make_layer`, padding "same" in
the stem) and ModelZoo's official/cv/ResNet/src/resnet.py (names `down_sample_layer`, `end_point`, mean over
the last two axes).
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops


class ResidualBlockBase(nn.Cell):
    """The tutorial's block of two convolutions."""

    expansion = 1

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, down_sample: nn.Cell | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.down_sample = down_sample

    def construct(self, x: Tensor) -> Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        identity = x if self.down_sample is None else self.down_sample(x)
        return self.relu(out + identity)


class ResidualBlock(nn.Cell):
    """The tutorial's bottleneck."""

    expansion = 4

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, down_sample: nn.Cell | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=1)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, stride=stride)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv3 = nn.Conv2d(outputs, outputs * self.expansion, kernel_size=1)
        self.norm3 = nn.BatchNorm2d(outputs * self.expansion)
        self.relu = nn.ReLU()
        self.down_sample = down_sample

    def construct(self, x: Tensor) -> Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.relu(self.norm2(self.conv2(out)))
        out = self.norm3(self.conv3(out))
        identity = x if self.down_sample is None else self.down_sample(x)
        return self.relu(out + identity)


def _make_layer(last: int, block: type, channels: int, blocks: int, stride: int = 1) -> nn.SequentialCell:
    down_sample = None
    if stride != 1 or last != channels * block.expansion:
        down_sample = nn.SequentialCell(
            [
                nn.Conv2d(last, channels * block.expansion, kernel_size=1, stride=stride),
                nn.BatchNorm2d(channels * block.expansion),
            ]
        )
    layers = [block(last, channels, stride=stride, down_sample=down_sample)]
    layers += [block(channels * block.expansion, channels) for _ in range(1, blocks)]
    return nn.SequentialCell(layers)


class TutorialResNet(nn.Cell):
    """The tutorial's ResNet."""

    def __init__(self, block: type, blocks: list[int], classes: int, inputs: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2)
        self.norm = nn.BatchNorm2d(64)
        self.max_pool = nn.MaxPool2d(kernel_size=3, stride=2, pad_mode="same")
        self.layer1 = _make_layer(64, block, 64, blocks[0])
        self.layer2 = _make_layer(64 * block.expansion, block, 128, blocks[1], stride=2)
        self.layer3 = _make_layer(128 * block.expansion, block, 256, blocks[2], stride=2)
        self.layer4 = _make_layer(256 * block.expansion, block, 512, blocks[3], stride=2)
        self.flatten = nn.Flatten()
        self.fc = nn.Dense(in_channels=inputs, out_channels=classes)

    def construct(self, x: Tensor) -> Tensor:
        x = self.max_pool(self.relu(self.norm(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(ops.mean(x, (2, 3), keep_dims=True)))


class ModelZooBlock(nn.Cell):
    """ModelZoo's bottleneck."""

    expansion = 4

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        channel = outputs // self.expansion
        self.conv1 = nn.Conv2d(inputs, channel, kernel_size=1, stride=1)
        self.bn1 = nn.BatchNorm2d(channel, momentum=0.9)
        self.conv2 = nn.Conv2d(channel, channel, kernel_size=3, stride=stride, pad_mode="pad", padding=1)
        self.bn2 = nn.BatchNorm2d(channel, momentum=0.9)
        self.conv3 = nn.Conv2d(channel, outputs, kernel_size=1, stride=1)
        self.bn3 = nn.BatchNorm2d(outputs, momentum=0.9)
        self.relu = nn.ReLU()
        self.down_sample = stride != 1 or inputs != outputs
        self.down_sample_layer = None
        if self.down_sample:
            self.down_sample_layer = nn.SequentialCell(
                [nn.Conv2d(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs, momentum=0.9)]
            )

    def construct(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.down_sample:
            x = self.down_sample_layer(x)
        return self.relu(out + x)


class ModelZooResNet(nn.Cell):
    """ModelZoo's ResNet-50."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, pad_mode="pad", padding=3)
        self.bn1 = nn.BatchNorm2d(64, momentum=0.9)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, pad_mode="same")
        for place, (inputs, outputs, count, stride) in enumerate(
            ((64, 256, 3, 1), (256, 512, 4, 2), (512, 1024, 6, 2), (1024, 2048, 3, 2)), start=1
        ):
            layers = [ModelZooBlock(inputs, outputs, stride)]
            layers += [ModelZooBlock(outputs, outputs) for _ in range(1, count)]
            setattr(self, f"layer{place}", nn.SequentialCell(layers))
        self.flatten = nn.Flatten()
        self.end_point = nn.Dense(2048, classes, has_bias=True)

    def construct(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.end_point(self.flatten(ops.mean(x, (2, 3), keep_dims=True)))


def tutorial_resnet18() -> nn.Cell:
    """Return the tutorial's ResNet of 18 layers."""
    return TutorialResNet(ResidualBlockBase, [2, 2, 2, 2], 1000, 512)


def tutorial_resnet50() -> nn.Cell:
    """Return the tutorial's ResNet of 50 layers."""
    return TutorialResNet(ResidualBlock, [3, 4, 6, 3], 1000, 2048)


def modelzoo_resnet50() -> nn.Cell:
    """Return ModelZoo's ResNet of 50 layers."""
    return ModelZooResNet(1000)
