"""What is changed in one network of a pair so that the two compute the same: small, stated, and by hand.

A map that is proven for two networks which compute different functions must turn into equal outputs once
the difference is gone; the mended pair is run through `pair` and the benchmark's own judge like every
other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mend:
    """One change: what it is, in words, and the function that makes it in the networks of a pair."""

    what: str
    apply: Callable[[Any, Any], None]


def _replaced_pool(attribute: str, padding: int) -> Callable[[Any, Any], None]:
    def apply(a: Any, b: Any) -> None:
        from mindspore import nn

        pool = nn.MaxPool2d(kernel_size=3, stride=2, pad_mode="pad", padding=padding)
        setattr(a, attribute, pool)

    return apply


def _epsilon(kind: str, value: float) -> Callable[[Any, Any], None]:
    """Return a change of the epsilon of every norm of a class of MindSpore's."""

    def apply(a: Any, b: Any) -> None:
        for _, cell in a.cells_and_names():
            if type(cell).__name__ == kind:
                _set_epsilon(cell, value)

    return apply


def _set_epsilon(cell: Any, value: float) -> None:
    from mindspore import ops

    if hasattr(cell, "epsilon"):
        cell.epsilon = value
    if hasattr(cell, "eps"):
        cell.eps = value
    if type(cell).__name__ == "LayerNorm":
        cell.layer_norm = ops.LayerNorm(cell.begin_norm_axis, cell.begin_params_axis, value)
    elif hasattr(cell, "bn_infer"):
        cell.bn_infer = ops.BatchNorm(is_training=False, epsilon=value)


MENDS = {
    "stem pool": Mend(
        "the Cell's stem pool pads one row on every side, not as `same`", _replaced_pool("max_pool", 1)
    ),
}

# first network, second, and the key of the change
MENDED = (
    ("mindcv:resnet18", "torchvision:resnet18", "stem pool"),
    ("mindcv:resnet34", "torchvision:resnet34", "stem pool"),
    ("mindcv:resnet50", "torchvision:resnet50", "stem pool"),
)
