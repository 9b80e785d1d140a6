"""RegNet in PyTorch, with torchvision's state-dict names. Read beside net_mindspore.py."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from triport.reference_models.layers_torch import (
    conv2d,
    dense,
    global_avg_pool2d,
    norm2d,
    relu,
    sequential,
    sigmoid,
)

from .spec import STEM_WIDTH, RegNetConfig, Stage


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = global_avg_pool2d(keep_dims=True)
        self.fc1 = conv2d(channels, squeezed, 1, bias=True)
        self.fc2 = conv2d(squeezed, channels, 1, bias=True)
        self.relu = relu()
        self.sigmoid = sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.sigmoid(self.fc2(self.relu(self.fc1(self.avgpool(x)))))
        return x * gate


class Transform(nn.Module):
    """1x1, grouped 3x3 (with the stride) and 1x1 convolutions; in Y models a gate before the last."""

    def __init__(self, in_channels: int, config: RegNetConfig, stage: Stage, stride: int) -> None:
        super().__init__()
        width, squeezed = stage.width, config.squeezed(in_channels)
        self.a = _conv_norm(in_channels, width, 1)
        self.b = _conv_norm(width, width, 3, stride=stride, groups=stage.groups)
        self.se = SqueezeExcite(width, squeezed) if squeezed else None
        self.c = _conv_norm(width, width, 1)
        self.relu = relu()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = self.relu(self.b(x))
        x = x if self.se is None else self.se(x)
        return self.c(x)


class Block(nn.Module):
    """A transform and a shortcut, which is projected in a stage's first block."""

    def __init__(self, in_channels: int, config: RegNetConfig, stage: Stage, stride: int) -> None:
        super().__init__()
        projected = stride != 1 or in_channels != stage.width
        self.proj = _conv_norm(in_channels, stage.width, 1, stride=stride) if projected else None
        self.f = Transform(in_channels, config, stage, stride)
        self.relu = relu()

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.proj is None else self.proj(x)
        return self.relu(identity + self.f(x))


class RegNet(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: RegNetConfig, num_classes: int) -> None:
        super().__init__()
        stages = config.stages()
        self.stem = _conv_norm(3, STEM_WIDTH, 3, stride=2)
        self.relu = relu()
        self.trunk_output = nn.Sequential(
            OrderedDict((f"block{index + 1}", _stage(config, index)) for index in range(len(stages)))
        )
        self.avgpool = global_avg_pool2d()
        self.fc = dense(stages[-1].width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.trunk_output(x)
        return self.fc(self.avgpool(x))


def _conv_norm(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Module:
    return sequential(
        conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups),
        norm2d(out_channels),
    )


def _stage(config: RegNetConfig, index: int) -> nn.Module:
    stage = config.stages()[index]
    return nn.Sequential(
        OrderedDict(
            (
                f"block{index + 1}-{block}",
                Block(config.in_channels(index, block), config, stage, 2 if block == 0 else 1),
            )
            for block in range(stage.depth)
        )
    )


def build(config: RegNetConfig, num_classes: int) -> nn.Module:
    """Return the network with PyTorch's default initial weights."""
    return RegNet(config, num_classes)
