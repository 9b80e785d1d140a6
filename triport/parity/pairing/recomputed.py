"""A layer computed anew with its own parameters and with other settings: the difference is mended.

Computed in PyTorch's float64 whatever the layer's framework, so that two Cells can be mended too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from triport.converters.environment import import_torch
from triport.reference_models.errors import TriportError
from triport.reference_models.modules import Part, parameters_of

from .settings import Settings


def recomputed(part: Part, settings: Settings, given: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return what a layer would return with these settings; None: it is not known how to compute it.

    Args:
        part: the layer, whose parameters are taken.
        settings: as `settings.settings_of` says them, of its counterpart.
        given: what it is given.
    """
    if part.kind is None or part.kind.name not in _COMPUTED or len(given) != 1:
        return None
    try:
        torch = import_torch()
    except TriportError:
        return None
    leaves = _leaves(torch, part)
    try:
        made = _COMPUTED[part.kind.name](torch, settings, leaves, torch.from_numpy(given[0]).double())
    except (RuntimeError, KeyError, ValueError):
        # a padding or a shape that the function does not take: nothing is shown
        return None
    found: np.ndarray = made.numpy()
    return found


def _leaves(torch: Any, part: Part) -> dict[str, Any]:
    """Return the layer's own parameters, by PyTorch's names of them."""
    found = {}
    values = _values(part.module)
    for owned in parameters_of(part.module):
        if owned.leaf is not None and owned.leaf.seeding != "count":
            found[owned.leaf.name] = torch.from_numpy(values(owned.name)).double()
    return found


def _values(module: Any) -> Callable[[str], np.ndarray]:
    if hasattr(module, "cells_and_names"):
        tensors: Mapping[str, Any] = {one.name: one for one in module.get_parameters()}
        return lambda name: np.array(tensors[name].asnumpy())
    state = module.state_dict()
    return lambda name: np.array(state[name].numpy())


def _batch_norm(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    return torch.nn.functional.batch_norm(
        x,
        leaves["running_mean"],
        leaves["running_var"],
        leaves.get("weight"),
        leaves.get("bias"),
        eps=settings["epsilon"],
    )


def _layer_norm(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    weight = leaves["weight"]
    return torch.nn.functional.layer_norm(x, weight.shape, weight, leaves.get("bias"), settings["epsilon"])


def _rms_norm(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    weight = leaves["weight"]
    return torch.nn.functional.rms_norm(x, weight.shape, weight, settings["epsilon"])


def _group_norm(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    return torch.nn.functional.group_norm(
        x, settings["number of groups"], leaves.get("weight"), leaves.get("bias"), settings["epsilon"]
    )


def _instance_norm(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    return torch.nn.functional.instance_norm(
        x, weight=leaves.get("weight"), bias=leaves.get("bias"), eps=settings["epsilon"]
    )


def _convolution(torch: Any, settings: Settings, leaves: Mapping[str, Any], x: Any) -> Any:
    weight = leaves["weight"]
    axes = x.ndim - 2
    # a kernel of lines may be kept as one of height 1
    weight = weight.reshape(*weight.shape[:2], *weight.shape[weight.ndim - axes :])
    pads = [side for axis in reversed(settings["padding"]) for side in axis]
    mode = settings["padding mode"]
    x = torch.nn.functional.pad(x, pads, mode="constant" if mode == "zeros" else mode)
    convolve = getattr(torch.nn.functional, f"conv{axes}d")
    return convolve(
        x,
        weight,
        leaves.get("bias"),
        settings["stride"],
        0,
        settings["dilation"],
        settings["number of groups"],
    )


_COMPUTED: Mapping[str, Callable[[Any, Settings, Mapping[str, Any], Any], Any]] = {
    "norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "conv": _convolution,
}
