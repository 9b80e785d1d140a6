"""EfficientNet-Lite in PyTorch, with timm's state-dict names. Read beside net_mindspore.py."""

from __future__ import annotations

from torch import Tensor, nn

from triport.reference_models.layers_torch import (
    conv2d,
    dense,
    global_avg_pool2d,
    norm2d,
    relu6,
    sequential,
)

from .spec import HEAD_CHANNELS, STEM_CHANNELS, Block, EfficientNetLiteConfig


class DepthwiseSeparable(nn.Module):
    """Depthwise (with the stride) and 1x1 convolutions; the last has no activation."""

    def __init__(self, config: EfficientNetLiteConfig, block: Block) -> None:
        super().__init__()
        wide, kernel = block.expanded_channels, block.kernel
        self.conv_dw = conv2d(
            wide, wide, kernel, stride=block.stride, padding=config.pixels(kernel), groups=wide
        )
        self.bn1 = norm2d(wide, eps=config.norm_eps)
        self.conv_pw = conv2d(wide, block.out_channels, 1)
        self.bn2 = norm2d(block.out_channels, eps=config.norm_eps)
        self.relu6 = relu6()
        self.has_shortcut = block.has_shortcut

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        x = self.relu6(self.bn1(self.conv_dw(x)))
        x = self.bn2(self.conv_pw(x))
        return x + identity if self.has_shortcut else x


class InvertedResidual(nn.Module):
    """1x1, depthwise (with the stride) and 1x1 convolutions; the last has no activation."""

    def __init__(self, config: EfficientNetLiteConfig, block: Block) -> None:
        super().__init__()
        wide, kernel = block.expanded_channels, block.kernel
        self.conv_pw = conv2d(block.in_channels, wide, 1)
        self.bn1 = norm2d(wide, eps=config.norm_eps)
        self.conv_dw = conv2d(
            wide, wide, kernel, stride=block.stride, padding=config.pixels(kernel), groups=wide
        )
        self.bn2 = norm2d(wide, eps=config.norm_eps)
        self.conv_pwl = conv2d(wide, block.out_channels, 1)
        self.bn3 = norm2d(block.out_channels, eps=config.norm_eps)
        self.relu6 = relu6()
        self.has_shortcut = block.has_shortcut

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        x = self.relu6(self.bn1(self.conv_pw(x)))
        x = self.relu6(self.bn2(self.conv_dw(x)))
        x = self.bn3(self.conv_pwl(x))
        return x + identity if self.has_shortcut else x


class EfficientNetLite(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: EfficientNetLiteConfig, num_classes: int) -> None:
        super().__init__()
        stages = config.stages()
        self.conv_stem = conv2d(3, STEM_CHANNELS, 3, stride=2, padding=config.pixels(3))
        self.bn1 = norm2d(STEM_CHANNELS, eps=config.norm_eps)
        self.blocks = sequential(*(_stage(config, blocks) for blocks in stages))
        self.conv_head = conv2d(stages[-1][-1].out_channels, HEAD_CHANNELS, 1)
        self.bn2 = norm2d(HEAD_CHANNELS, eps=config.norm_eps)
        self.relu6 = relu6()
        self.pool = global_avg_pool2d()
        self.classifier = dense(HEAD_CHANNELS, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.relu6(self.bn1(self.conv_stem(x))))
        x = self.relu6(self.bn2(self.conv_head(x)))
        return self.classifier(self.pool(x))


def _stage(config: EfficientNetLiteConfig, blocks: tuple[Block, ...]) -> nn.Module:
    return sequential(
        *(
            InvertedResidual(config, block) if block.is_expanded else DepthwiseSeparable(config, block)
            for block in blocks
        )
    )


def build(config: EfficientNetLiteConfig, num_classes: int) -> nn.Module:
    """Return the network with PyTorch's default initial weights."""
    return EfficientNetLite(config, num_classes)
