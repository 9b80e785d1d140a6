"""Res2Net in MindSpore, with MindCV's parameter names. Read beside net_torch.py."""

from __future__ import annotations

from mindspore import Tensor, nn

from triport.reference_models.layers_mindspore import (
    avg_pool2d,
    concat_channels,
    conv2d,
    dense,
    global_avg_pool2d,
    identity,
    layer_list,
    max_pool2d,
    norm2d,
    relu,
    sequential,
    split_channels,
    zero_pad2d,
)

from .spec import Res2NetConfig


class Bottle2neck(nn.Cell):
    """A 1x1 convolution, 3x3 ones on pieces of the channels in a cascade, 1x1, and a shortcut.

    The first block of a stage has no cascade: it filters the pieces apart and pools the last.
    """

    def __init__(self, config: Res2NetConfig, stage: int, index: int) -> None:
        super().__init__()
        width, out_channels = config.widths(stage)
        stride = config.stride(stage, index)
        self.is_first = index == 0
        self.scale = config.scale
        self.conv1 = conv2d(config.in_channels(stage, index), width * self.scale, 1)
        self.bn1 = norm2d(width * self.scale)
        self.convs = layer_list(
            *(conv2d(width, width, 3, stride=stride, padding=1) for _ in range(self.scale - 1))
        )
        self.bns = layer_list(*(norm2d(width) for _ in range(self.scale - 1)))
        self.conv3 = conv2d(width * self.scale, out_channels, 1)
        self.bn3 = norm2d(out_channels)
        self.relu = relu()
        # parity: the zeros around the image count in the average, in MindCV and in timm
        self.pool = sequential(zero_pad2d(1), avg_pool2d(3, stride)) if self.is_first else identity()
        self.down_sample = _shortcut(config, stage, index)

    def construct(self, x: Tensor) -> Tensor:
        shortcut = self.down_sample(x)
        pieces = split_channels(self.relu(self.bn1(self.conv1(x))), self.scale)
        y = self.relu(self.bns[0](self.convs[0](pieces[0])))
        parts = [y]
        for i in range(1, self.scale - 1):
            y = pieces[i] if self.is_first else y + pieces[i]
            y = self.relu(self.bns[i](self.convs[i](y)))
            parts = [*parts, y]
        x = concat_channels([*parts, self.pool(pieces[self.scale - 1])])
        x = self.bn3(self.conv3(x))
        return self.relu(x + shortcut)


class Res2Net(nn.Cell):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: Res2NetConfig, num_classes: int) -> None:
        super().__init__()
        self.conv1 = _stem(config)
        self.bn1 = norm2d(config.stem_channels)
        self.relu = relu()
        # parity: zeros are "nothing" to a maximum behind a ReLU
        self.max_pool = sequential(zero_pad2d(1), max_pool2d(3, 2))
        self.layer1 = _stage(config, 0)
        self.layer2 = _stage(config, 1)
        self.layer3 = _stage(config, 2)
        self.layer4 = _stage(config, 3)
        self.pool = global_avg_pool2d()
        self.classifier = dense(config.widths(3)[1], num_classes)

    def construct(self, x: Tensor) -> Tensor:
        x = self.max_pool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.classifier(self.pool(x))


def _stem(config: Res2NetConfig) -> nn.Cell:
    channels = config.stem_channels
    if not config.v1b:
        return conv2d(3, channels, 7, stride=2, padding=3)
    return sequential(
        conv2d(3, channels // 2, 3, stride=2, padding=1),
        norm2d(channels // 2),
        relu(),
        conv2d(channels // 2, channels // 2, 3, padding=1),
        norm2d(channels // 2),
        relu(),
        conv2d(channels // 2, channels, 3, padding=1),
    )


def _shortcut(config: Res2NetConfig, stage: int, index: int) -> nn.Cell:
    if index > 0:
        return identity()
    in_channels, out_channels = config.in_channels(stage, index), config.widths(stage)[1]
    stride = config.stride(stage, index)
    if not config.v1b:
        return sequential(conv2d(in_channels, out_channels, 1, stride=stride), norm2d(out_channels))
    # parity: timm keeps the pool's place, hence its indices, where there is no stride; MindCV does not
    pool = () if stride == 1 else (avg_pool2d(stride, stride, "same"),)
    return sequential(*pool, conv2d(in_channels, out_channels, 1), norm2d(out_channels))


def _stage(config: Res2NetConfig, stage: int) -> nn.Cell:
    return sequential(*(Bottle2neck(config, stage, index) for index in range(config.blocks[stage])))


def build(config: Res2NetConfig, num_classes: int) -> nn.Cell:
    """Return the network with MindSpore's default initial weights."""
    return Res2Net(config, num_classes)
