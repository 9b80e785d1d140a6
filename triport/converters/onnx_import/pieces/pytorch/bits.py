"""Bits."""

import torch
from torch import Tensor


def logical_right_shift(x: Tensor, count: Tensor) -> Tensor:
    """Shift the bits of int64 to the right, zeros coming in; all of them are gone after 64 steps."""
    first = (x >> 1) & 0x7FFFFFFFFFFFFFFF
    shifted = torch.where(count == 0, x, first >> (count - 1).clamp(0, 63))
    return torch.where(count >= 64, 0, shifted)
