"""The spectral norms of a Module: which weights they divide, and the buffers by which these are estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from triport.converters.environment import import_torch


@dataclass(frozen=True, slots=True)
class Spectral:
    """A weight that is divided by its spectral norm: its name once that is taken out, and its parts."""

    weight: str
    original: str
    vectors: tuple[str, str]
    axis: int


def spectral_norms(net: Any) -> list[Spectral]:
    """Return what PyTorch's older and newer spectral norm divide; that of a vector is not estimated."""
    return [
        found
        for path, module in net.named_modules()
        for found in (*_newer(path, module), *_older(path, module))
    ]


def spectral_vectors(net: Any) -> set[str]:
    """Return the names of the buffers by which spectral norms are estimated: a file of weights has them."""
    return {name for found in spectral_norms(net) for name in found.vectors}


def _newer(path: str, module: Any) -> Iterator[Spectral]:
    kind: Any = import_torch().nn.utils.parametrizations._SpectralNorm
    for leaf, steps in getattr(module, "parametrizations", {}).items():
        if len(steps) == 1 and isinstance(steps[0], kind) and hasattr(steps[0], "_u"):
            stem = f"{path}.parametrizations.{leaf}".lstrip(".")
            vectors = f"{stem}.0._u", f"{stem}.0._v"
            yield Spectral(f"{path}.{leaf}".lstrip("."), f"{stem}.original", vectors, steps[0].dim)


def _older(path: str, module: Any) -> Iterator[Spectral]:
    known = "torch.nn.utils.spectral_norm", "SpectralNorm"
    for hook in module._forward_pre_hooks.values():
        if (type(hook).__module__, type(hook).__name__) == known:
            weight = f"{path}.{hook.name}".lstrip(".")
            axis = hook.dim % getattr(module, f"{hook.name}_orig").ndim
            yield Spectral(weight, f"{weight}_orig", (f"{weight}_u", f"{weight}_v"), axis)
