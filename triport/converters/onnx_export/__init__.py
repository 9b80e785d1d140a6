"""The ONNX files of known models: made from either framework, sized, rounded, folded, written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exporter import Exporter


def exporter_for(runtime: str) -> Exporter:
    """Return what makes ONNX from a checkpoint of `runtime`, in that framework's definition."""
    if runtime == "mindspore":
        from .from_mindspore import FROM_MINDSPORE

        return FROM_MINDSPORE
    from .from_torch import FROM_TORCH

    return FROM_TORCH


def exporter_at_hand(runtime: str) -> Exporter:
    """Return the same, in the other framework's definition where the checkpoint's own is not installed."""
    from importlib.util import find_spec

    packages = {"mindspore": "mindspore", "pytorch": "torch"}
    own = "mindspore" if runtime == "mindspore" else "pytorch"
    installed = [one for one in packages if find_spec(packages[one]) is not None]
    return exporter_for(own if own in installed or not installed else installed[0])
