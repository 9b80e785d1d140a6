"""Whether PyTorch notes by which conditions on sizes a Module's own code decides, and where each stands."""

from __future__ import annotations

from typing import Any


def says_conditions(torch: Any) -> bool:
    """Return whether this PyTorch says where a condition on a symbolic size stands."""
    return hasattr(getattr(torch, "_guards", None), "SLoc")
