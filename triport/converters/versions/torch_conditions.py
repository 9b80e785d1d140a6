"""Whether PyTorch notes by which conditions on sizes a Module's own code decides, and where each stands."""

from __future__ import annotations

OLDEST_WITH_CONDITIONS = "2.6"


def says_conditions() -> bool:
    """Return whether this PyTorch says where a condition on a symbolic size stands."""
    from torch.fx.experimental import symbolic_shapes

    return hasattr(symbolic_shapes, "SLoc")
