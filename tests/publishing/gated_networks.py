"""One network in both frameworks whose tanh MindSpore's kernels approximate."""

from __future__ import annotations

from typing import Any


def torch_gates() -> Any:
    """Return it in PyTorch."""
    from torch import nn

    return nn.Sequential(nn.Linear(64, 64), nn.Tanh())


def mindspore_gates() -> Any:
    """Return it in MindSpore."""
    from mindspore import nn

    return nn.SequentialCell(nn.Dense(64, 64), nn.Tanh())
