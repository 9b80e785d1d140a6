"""RegNet in MindSpore, with MindCV's parameter names. Read beside net_torch.py."""

from __future__ import annotations

from mindspore import Tensor, nn

from triport.reference_models.layers_mindspore import (
    conv2d,
    dense,
    global_avg_pool2d,
    norm2d,
    relu,
    sequential,
    sigmoid,
)

from .spec import STEM_WIDTH, RegNetConfig, Stage


class SqueezeExcite(nn.Cell):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = global_avg_pool2d(keep_dims=True)
        self.conv_reduce = conv2d(channels, squeezed, 1, bias=True)
        self.conv_expand = conv2d(squeezed, channels, 1, bias=True)
        self.relu = relu()
        self.sigmoid = sigmoid()

    def construct(self, x: Tensor) -> Tensor:
        gate = self.sigmoid(self.conv_expand(self.relu(self.conv_reduce(self.pool(x)))))
        return x * gate


class Transform(nn.Cell):
    """1x1, grouped 3x3 (with the stride) and 1x1 convolutions; in Y models a gate before the last."""

    def __init__(self, in_channels: int, config: RegNetConfig, stage: Stage, stride: int) -> None:
        super().__init__()
        width, squeezed = stage.width, config.squeezed(in_channels)
        self.a = conv2d(in_channels, width, 1)
        self.a_bn = norm2d(width)
        self.b = conv2d(width, width, 3, stride=stride, padding=1, groups=stage.groups)
        self.b_bn = norm2d(width)
        self.se = SqueezeExcite(width, squeezed) if squeezed else None
        self.c = conv2d(width, width, 1)
        self.c_bn = norm2d(width)
        self.relu = relu()

    def construct(self, x: Tensor) -> Tensor:
        x = self.relu(self.a_bn(self.a(x)))
        x = self.relu(self.b_bn(self.b(x)))
        x = x if self.se is None else self.se(x)
        return self.c_bn(self.c(x))


class Block(nn.Cell):
    """A transform and a shortcut, which is projected in a stage's first block."""

    def __init__(self, in_channels: int, config: RegNetConfig, stage: Stage, stride: int) -> None:
        super().__init__()
        projected = stride != 1 or in_channels != stage.width
        self.proj = conv2d(in_channels, stage.width, 1, stride=stride) if projected else None
        self.bn = norm2d(stage.width) if projected else None
        self.f = Transform(in_channels, config, stage, stride)
        self.relu = relu()

    def construct(self, x: Tensor) -> Tensor:
        identity = x if self.proj is None or self.bn is None else self.bn(self.proj(x))
        return self.relu(identity + self.f(x))


class RegNet(nn.Cell):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: RegNetConfig, num_classes: int) -> None:
        super().__init__()
        stages = config.stages()
        self.stem = Stem(3, STEM_WIDTH)
        self.relu = relu()
        self.stages = sequential(*(StageBlocks(config, index) for index in range(len(stages))))
        self.pool = global_avg_pool2d()
        self.head = Head(stages[-1].width, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        x = self.stages(x)
        return self.head(self.pool(x))


class Stem(nn.Cell):
    """The first convolution and its normalisation; only MindCV's names need a class for it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, 3, stride=2, padding=1)
        self.bn = norm2d(out_channels)

    def construct(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class StageBlocks(nn.Cell):
    """The blocks of one stage; only MindCV's names need a class for it."""

    def __init__(self, config: RegNetConfig, index: int) -> None:
        super().__init__()
        stage = config.stages()[index]
        self.blocks = sequential(
            *(
                Block(config.in_channels(index, block), config, stage, 2 if block == 0 else 1)
                for block in range(stage.depth)
            )
        )

    def construct(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Head(nn.Cell):
    """The classifier; only MindCV's names need a class for it."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.fc = dense(in_features, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        return self.fc(x)


def _mindcv_name(structural_name: str) -> str:
    """Return the name in MindCV's checkpoints of the parameter at `structural_name`."""
    # parity: MindCV appends its stages one by one to a list that is already an attribute, so
    # MindSpore prefixes each stage by what it takes for the list's own name: nothing for the first,
    # then the first stage's "0.blocks.". Source: mindcv/models/regnet.py, AnyNet.__init__.
    if not structural_name.startswith("stages."):
        return structural_name
    _, stage, rest = structural_name.split(".", 2)
    return f"0.{rest}" if stage == "0" else f"0.blocks.{stage}.{rest}"


def build(config: RegNetConfig, num_classes: int) -> nn.Cell:
    """Return the network with MindSpore's default initial weights."""
    net = RegNet(config, num_classes)
    for structural_name, parameter in net.parameters_and_names():
        parameter.name = _mindcv_name(structural_name)
    return net
