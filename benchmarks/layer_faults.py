"""Puts a fault of the table of kinds into a PyTorch layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from triport.reference_models.kinds.fault import Fault

# What is computed in place of a layer, from what it was given and what it returned; the others are functions
# of torch.nn.functional.
_INSTEAD: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda x, y: x,
    "twice": lambda x, y: 2 * y,
    "float16": lambda x, y: y.half().float(),
    "quick_gelu": lambda x, y: x * torch.sigmoid(1.702 * x),
    "keras_hard_sigmoid": lambda x, y: (0.2 * x + 0.5).clamp(0, 1),
    "glu_of_other_half": lambda x, y: functional.glu(torch.cat(x.chunk(2, 1)[::-1], 1), 1),
    "global_maximum": lambda x, y: x.amax((2, 3)).view_as(y),
    "mean_without_last": lambda x, y: x[:, :, : max(1, x.shape[2] - 1)].mean((2, 3)).view_as(y),
    "depth_first_shuffle": lambda x, y: functional.pixel_shuffle(
        x.unflatten(1, (-1, y.shape[1])).transpose(1, 2).flatten(1, 2), 2
    ),
}


def instead(fault: Fault) -> Callable[[Any, Any], Any]:
    """Return the function of input and output that a fault computes in place of the layer's."""
    if fault.instead in _INSTEAD:
        return _INSTEAD[fault.instead]
    function = getattr(functional, fault.instead)
    return lambda x, y: function(x, **fault.options)


def put_into(fault: Fault, module: nn.Module) -> None:
    """Make the module's parameters and attributes wrong, and, in every call, its function."""
    for name, wrong in fault.attributes.items():
        setattr(module, name, wrong(getattr(module, name)))
    if fault.change is not None:
        tensors = {
            **dict(module.named_parameters(recurse=False)),
            **dict(module.named_buffers(recurse=False)),
        }
        leaves = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        fault.change(leaves)
        with torch.no_grad():
            for name, array in leaves.items():
                tensors[name].copy_(torch.from_numpy(array))
    if fault.instead:
        change = instead(fault)
        module.register_forward_hook(lambda _, arguments, output: change(arguments[0], output))
