"""How the small networks of PyTorch are written: their parts by name, and what is computed with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def net(forward: Callable[..., Any], **parts: Any) -> nn.Module:
    """Return a Module that has these modules and parameters, in this order, and computes `forward`."""
    made = type("Net", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def p(*shape: int) -> nn.Parameter:
    """Return a bare parameter."""
    return nn.Parameter(torch.randn(shape))


def chain(**modules: nn.Module) -> nn.Module:
    """Return a Module that calls these one after the other."""
    names = list(modules)

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x

    return net(forward, **modules)


def conv(given: int, returned: int, kernel: int = 3, **words: Any) -> nn.Conv2d:
    """Return a convolution that keeps the size of an image, unless told otherwise."""
    return nn.Conv2d(given, returned, kernel, **{"padding": kernel // 2, **words})


def buffers(module: nn.Module, **tensors: torch.Tensor) -> nn.Module:
    """Return the module with buffers more."""
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor)
    return module
