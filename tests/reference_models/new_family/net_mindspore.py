"""Tiny in MindSpore. Read beside net_torch.py."""

from __future__ import annotations

from mindspore import Tensor, nn

from triport.reference_models.layers_mindspore import (
    conv2d,
    dense,
    global_avg_pool2d,
    norm2d,
    relu,
    sequential,
)

from .spec import TinyConfig


class Tiny(nn.Cell):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: TinyConfig, num_classes: int) -> None:
        super().__init__()
        width = config.channels
        self.stem = sequential(conv2d(3, width, 3, stride=2, padding=1), norm2d(width), relu())
        self.block = sequential(
            conv2d(width, width, 3, padding=1, groups=config.groups, bias=True), norm2d(width)
        )
        self.relu = relu()
        self.pool = global_avg_pool2d()
        self.fc = dense(width, num_classes)

    def construct(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.relu(x + self.block(x))
        return self.fc(self.pool(x))


def build(config: TinyConfig, num_classes: int) -> nn.Cell:
    """Return the network with fresh weights."""
    return Tiny(config, num_classes)
