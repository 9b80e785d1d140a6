"""Spectral norms: what they divide a weight by hangs on vectors that each network keeps as it is built."""

from __future__ import annotations

from .sides import Side


def spectral_norms(a: Side, b: Side) -> tuple[str, ...]:
    """Return a sentence for each side with such norms, and what to do."""
    found = ((letter, _weights(side)) for letter, side in (("a", a), ("b", b)))
    return tuple(_said(letter, weights) for letter, weights in found if weights)


def _said(letter: str, weights: list[str]) -> str:
    more = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
    return (
        f"{letter} divides {weights[0]}{more} by a spectral norm, whose vectors no map moves. Take it out "
        f"once the trained weights are loaded: torch.nn.utils.remove_spectral_norm, or "
        f"torch.nn.utils.parametrize.remove_parametrizations"
    )


def _weights(side: Side) -> list[str]:
    """Return the weights that PyTorch's older or newer spectral norm divides, by the vectors beside them."""
    newer = [name.removesuffix(".0._u") for name in side.kept if name.endswith(".0._u")]
    older = [
        weight
        for name in side.kept
        if name.endswith("_u") and f"{(weight := name.removesuffix('_u'))}_orig" in side.parameters
    ]
    return [*older, *(name.replace("parametrizations.", "") for name in newer)]
