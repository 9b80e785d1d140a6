"""ResNetV2 in PyTorch, with the publishers' module paths. Read beside net_mindspore.py."""

from __future__ import annotations

from torch import Tensor, nn

from triport.reference_models.layers_torch import (
    conv2d,
    dense,
    flatten,
    global_avg_pool2d,
    max_pool2d,
    norm2d,
    relu,
    sequential,
)

from .spec import ResNetV2Config


class MindCVBottleneck(nn.Module):
    """Pre-activated 1x1, 3x3 (with the stride) and 1x1 convolutions; the shortcut has a BatchNorm."""

    def __init__(self, config: ResNetV2Config, stage: int, index: int) -> None:
        super().__init__()
        in_channels, stride = config.in_channels(stage, index), config.stride(stage, index)
        width, out_channels = config.widths(stage)
        self.bn1 = norm2d(in_channels)
        self.conv1 = conv2d(in_channels, width, 1)
        self.bn2 = norm2d(width)
        self.conv2 = conv2d(width, width, 3, stride=stride, padding=1)
        self.bn3 = norm2d(width)
        self.conv3 = conv2d(width, out_channels, 1)
        self.relu = relu()
        self.down_sample = None
        if index == 0:
            self.down_sample = sequential(
                conv2d(in_channels, out_channels, 1, stride=stride), norm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        identity = x if self.down_sample is None else self.down_sample(activated)
        x = self.conv1(activated)
        x = self.conv2(self.relu(self.bn2(x)))
        x = self.conv3(self.relu(self.bn3(x)))
        return x + identity


class MindCVResNetV2(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: ResNetV2Config, num_classes: int) -> None:
        super().__init__()
        self.conv1 = conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = norm2d(64)
        self.relu = relu()
        # parity: pad_mode="same" pads the right and bottom only at 224 px; MindCV's resnet.py
        self.max_pool = max_pool2d(3, 2, "same")
        self.layer1 = _blocks(MindCVBottleneck, config, 0)
        self.layer2 = _blocks(MindCVBottleneck, config, 1)
        self.layer3 = _blocks(MindCVBottleneck, config, 2)
        self.layer4 = _blocks(MindCVBottleneck, config, 3)
        self.pool = global_avg_pool2d()
        self.classifier = dense(config.widths(3)[1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.max_pool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.classifier(self.pool(x))


class TimmBottleneck(nn.Module):
    """Pre-activated 1x1, 3x3 (with the stride) and 1x1 convolutions; the shortcut is a convolution."""

    def __init__(self, config: ResNetV2Config, stage: int, index: int) -> None:
        super().__init__()
        in_channels, stride = config.in_channels(stage, index), config.stride(stage, index)
        width, out_channels = config.widths(stage)
        self.downsample = None
        if index == 0:
            self.downsample = TimmDownsample(in_channels, out_channels, stride)
        self.norm1 = norm2d(in_channels)
        self.conv1 = conv2d(in_channels, width, 1)
        self.norm2 = norm2d(width)
        self.conv2 = conv2d(width, width, 3, stride=stride, padding=1)
        self.norm3 = norm2d(width)
        self.conv3 = conv2d(width, out_channels, 1)
        self.relu = relu()

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.norm1(x))
        identity = x if self.downsample is None else self.downsample(activated)
        x = self.conv1(activated)
        x = self.conv2(self.relu(self.norm2(x)))
        x = self.conv3(self.relu(self.norm3(x)))
        return x + identity


class TimmDownsample(nn.Module):
    """1x1 convolution (with the stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class TimmStem(nn.Module):
    """7x7 convolution and max-pool, without a norm between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv2d(3, 64, 7, stride=2, padding=3)
        self.pool = max_pool2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x))


class TimmStage(nn.Module):
    """Blocks of one resolution."""

    def __init__(self, config: ResNetV2Config, stage: int) -> None:
        super().__init__()
        self.blocks = _blocks(TimmBottleneck, config, stage)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class TimmHead(nn.Module):
    """Mean over the pixels and a classifier that is a 1x1 convolution."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = global_avg_pool2d(keep_dims=True)
        # parity: timm's classifier is a 1x1 convolution (use_conv=True), so its weight has four axes
        self.fc = conv2d(in_channels, num_classes, 1, bias=True)
        self.flatten = flatten()

    def forward(self, x: Tensor) -> Tensor:
        return self.flatten(self.fc(self.pool(x)))


class TimmResNetV2(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: ResNetV2Config, num_classes: int) -> None:
        super().__init__()
        self.stem = TimmStem()
        self.stages = sequential(*(TimmStage(config, stage) for stage in range(4)))
        self.norm = norm2d(config.widths(3)[1])
        self.relu = relu()
        self.head = TimmHead(config.widths(3)[1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.head(self.relu(self.norm(x)))


def _blocks(
    block: type[MindCVBottleneck] | type[TimmBottleneck], config: ResNetV2Config, stage: int
) -> nn.Module:
    return sequential(*(block(config, stage, index) for index in range(config.blocks[stage])))


def build(config: ResNetV2Config, num_classes: int) -> nn.Module:
    """Return the network with PyTorch's default initial weights."""
    net = {"mindcv": MindCVResNetV2, "timm": TimmResNetV2}[config.graph]
    return net(config, num_classes)
