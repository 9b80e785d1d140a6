"""The arithmetic of `formulas.py`, of tensors of PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .formulas import VECTOR


@dataclass(frozen=True, slots=True)
class TorchArithmetic:
    """Computes formulas with PyTorch; see `Arithmetic`."""

    torch: Any

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Return one or the other, element by element."""
        return self.torch.where(condition, yes, no)

    def clip(self, x: Any, low: float, high: float) -> Any:
        """Return the numbers within bounds."""
        return x.clamp(low, high)

    def round(self, x: Any) -> Any:
        """Return the nearest whole numbers."""
        return x.round()

    def floor(self, x: Any) -> Any:
        """Return the largest whole numbers that are not above."""
        return x.floor()

    def abs(self, x: Any) -> Any:
        """Return the numbers without their signs."""
        return x.abs()

    def sign(self, x: Any) -> Any:
        """Return -1, 0 or 1."""
        return x.sign()

    def log(self, x: Any) -> Any:
        """Return the natural logarithm."""
        return x.log()

    def power_of_two(self, x: Any) -> Any:
        """Return two to a number."""
        return x.exp2()

    def largest_of_last(self, x: Any) -> Any:
        """Return the largest along the last axis, which stays with the size 1."""
        return x.amax(-1, keepdim=True)

    def sum_of_last(self, x: Any) -> Any:
        """Return the sum along the last axis, which stays with the size 1."""
        return x.sum(-1, keepdim=True)

    def looked_up(self, table: Sequence[float], index: Any) -> Any:
        """Return the entries of a table at whole numbers that are given as floating-point ones."""
        return self.torch.tensor(table, dtype=index.dtype, device=index.device)[index.long()]

    def in_vectors(self, x: Any) -> Any:
        """Return which elements lie in whole vectors; the last few of a tensor do not."""
        count = math.prod(x.shape)
        index = self.torch.arange(count, device=x.device).reshape(x.shape)
        return index < count - count % VECTOR
