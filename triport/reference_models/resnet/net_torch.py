"""ResNet in PyTorch, with torchvision's state-dict names. Read beside net_mindspore.py."""

from __future__ import annotations

from torch import Tensor, nn

from triport.reference_models.layers_torch import (
    conv2d,
    dense,
    global_avg_pool2d,
    max_pool2d,
    norm2d,
    relu,
    sequential,
)

from .spec import ResNetConfig


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, config: ResNetConfig, stage: int, stride: int) -> None:
        super().__init__()
        width, out_channels = config.widths(stage)
        self.conv1 = conv2d(in_channels, width, 3, stride=stride, padding=config.padding(1))
        self.bn1 = norm2d(width, eps=config.block_norm_eps)
        self.relu = relu()
        self.conv2 = conv2d(width, out_channels, 3, padding=1)
        self.bn2 = norm2d(out_channels, eps=config.block_norm_eps)
        self.downsample = _shortcut(in_channels, out_channels, stride, config.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return self.relu(x + identity)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions and a shortcut."""

    def __init__(self, in_channels: int, config: ResNetConfig, stage: int, stride: int) -> None:
        super().__init__()
        width, out_channels = config.widths(stage)
        self.conv1 = conv2d(in_channels, width, 1)
        self.bn1 = norm2d(width, eps=config.block_norm_eps)
        self.conv2 = conv2d(width, width, 3, stride=stride, padding=config.padding(1), groups=config.groups)
        self.bn2 = norm2d(width, eps=config.block_norm_eps)
        self.conv3 = conv2d(width, out_channels, 1)
        self.bn3 = norm2d(out_channels, eps=config.block_norm_eps)
        self.relu = relu()
        self.downsample = _shortcut(in_channels, out_channels, stride, config.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(x + identity)


class ResNet(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: ResNetConfig, num_classes: int) -> None:
        super().__init__()
        self.conv1 = conv2d(3, 64, 7, stride=2, padding=config.padding(3))
        self.bn1 = norm2d(64, eps=config.norm_eps)
        self.relu = relu()
        self.maxpool = max_pool2d(3, 2, config.stem_pool_padding)
        self.layer1 = _stage(config, 0)
        self.layer2 = _stage(config, 1)
        self.layer3 = _stage(config, 2)
        self.layer4 = _stage(config, 3)
        self.avgpool = global_avg_pool2d()
        self.fc = dense(config.widths(3)[1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x))


def _shortcut(in_channels: int, out_channels: int, stride: int, norm_eps: float) -> nn.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return sequential(conv2d(in_channels, out_channels, 1, stride=stride), norm2d(out_channels, eps=norm_eps))


def _stage(config: ResNetConfig, stage: int) -> nn.Module:
    block = {"basic": BasicBlock, "bottleneck": Bottleneck}[config.block]
    return sequential(
        *(
            block(config.in_channels(stage, index), config, stage, config.stride(stage, index))
            for index in range(config.blocks[stage])
        )
    )


def build(config: ResNetConfig, num_classes: int) -> nn.Module:
    """Return the network with PyTorch's default initial weights."""
    return ResNet(config, num_classes)
