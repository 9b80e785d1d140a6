"""The layers of a PyTorch network, of which `layouts.py` keeps what it needs without PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .errors import TriportError, counted, listed
from .layouts import Kind, ParametricLayer

_KINDS: dict[type[nn.Module], Kind] = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "norm",
    nn.Linear: "dense",
}


class LayoutError(TriportError):
    """A definition has a parameter that belongs to no kind of layer."""


def layers_of(build: Callable[[int], nn.Module], num_classes: int) -> tuple[ParametricLayer, ...]:
    """Return the layers of the network that `build` makes for a number of outputs, in its own order.

    It is built on the meta device: no value is made and no memory taken.

    Raises:
        LayoutError: a module owns parameters and is of no kind that is known, or owns others than it.
    """
    with torch.device("meta"):
        net = build(num_classes)
    found, problems = [], []
    for path, module in net.named_modules():
        own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
        if not own:
            continue
        kind = next((kind for base, kind in _KINDS.items() if isinstance(module, base)), None)
        if kind is None or "weight" not in own or not own.keys() <= {"weight", "bias"}:
            problems.append(f"{path or 'the network itself'}: {type(module).__name__} with {', '.join(own)}")
            continue
        found.append(ParametricLayer(path, kind, tuple(own["weight"].shape), "bias" in own))
    if problems:
        kinds = ", ".join(_KINDS.values())
        raise LayoutError(
            f"{counted(len(problems), 'module')} own parameters and are of no kind of layer ({kinds})\n"
            f"{listed(problems)}\nUse the layers of reference_models/layers_torch.py"
        )
    return tuple(found)
