"""Tiny in PyTorch. Read beside net_mindspore.py."""

from __future__ import annotations

from torch import Tensor, nn

from triport.reference_models.layers_torch import conv2d, dense, global_avg_pool2d, norm2d, relu, sequential

from .spec import TinyConfig


class Tiny(nn.Module):
    """Logits (N, num_classes) from images (N, 3, H, W)."""

    def __init__(self, config: TinyConfig, num_classes: int) -> None:
        super().__init__()
        width = config.channels
        self.features = sequential(conv2d(3, width, 3, stride=2, padding=1), norm2d(width), relu())
        self.body = sequential(
            conv2d(width, width, 3, padding=1, groups=config.groups, bias=True), norm2d(width)
        )
        self.relu = relu()
        self.pool = global_avg_pool2d()
        self.head = dense(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.relu(x + self.body(x))
        return self.head(self.pool(x))


def build(config: TinyConfig, num_classes: int) -> nn.Module:
    """Return the network with fresh weights."""
    return Tiny(config, num_classes)
