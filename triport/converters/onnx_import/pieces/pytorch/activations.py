"""Functions that are not PyTorch's on every number."""

import torch
from torch import Tensor


def sign(x: Tensor) -> Tensor:
    """Return the sign; of NaN it is NaN, and in PyTorch zero."""
    return torch.where(x != x, x, torch.sign(x))
