"""What is changed in one network of a pair so that the two compute the same: small, stated, and by hand.

A map that is proven for two networks which compute different functions must turn into equal outputs once
the difference is gone; the mended pair is run through `pair` and the benchmark's own judge like every other.
All changes here are made in the PyTorch network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mend:
    """One change: what it is, in words, and the function that makes it in a Module."""

    what: str
    apply: Callable[[Any], None]


def _stem_pool(net: Any) -> None:
    """Let the stem's pool pad as MindSpore's `same` does at even sizes: below and to the right."""
    from torch import nn

    net.maxpool = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))


def _epsilon(net: Any) -> None:
    from torch.nn import BatchNorm2d

    for module in net.modules():
        if isinstance(module, BatchNorm2d):
            module.eps = 1e-3


def _floor_pools(net: Any) -> None:
    from torch.nn import MaxPool2d

    for module in net.modules():
        if isinstance(module, MaxPool2d):
            module.ceil_mode = False


def _padded_stem(net: Any) -> None:
    _floor_pools(net)
    net.features[0].padding = (1, 1)


MENDS = {
    "stem pool": Mend(
        "the stem's max-pool pads below and to the right only, as MindSpore's `same`", _stem_pool
    ),
    "epsilon": Mend("every BatchNorm has MindCV's epsilon of 1e-3", _epsilon),
    "floor": Mend("max-pools round down", _floor_pools),
    "floor, padded stem": Mend("max-pools round down, and the first convolution pads by one", _padded_stem),
}

# the first network, the second, and the key of the change
MENDED = (
    ("mindcv:squeezenet1_0", "torchvision:squeezenet1_0", "floor"),
    ("mindcv:squeezenet1_1", "torchvision:squeezenet1_1", "floor, padded stem"),
    ("mindcv:mnasnet_050", "timm:mnasnet_050", "epsilon"),
    ("mindcv:mnasnet_075", "torchvision:mnasnet0_75", "epsilon"),
    ("mindcv:mnasnet_100", "timm:mnasnet_100", "epsilon"),
    ("mindcv:resnet18", "torchvision:resnet18", "stem pool"),
    ("mindcv:resnet34", "torchvision:resnet34", "stem pool"),
    ("mindcv:seresnet18", "timm:seresnet18", "stem pool"),
    ("mindcv:resnet50", "torchvision:resnet50", "stem pool"),
    ("mindcv:seresnet34", "timm:seresnet34", "stem pool"),
    ("mindcv:resnext50_32x4d", "torchvision:resnext50_32x4d", "stem pool"),
)
