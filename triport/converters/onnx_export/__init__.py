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
