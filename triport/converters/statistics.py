"""What a checkpoint's values are like: their range, and whether training touched them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triport.converters.formats import Tensor
from triport.reference_models.kinds import KINDS

# gamma, beta, mean and variance: as every framework makes them, and their names in each
_UNTOUCHED = {leaf.name: leaf.fresh for leaf in KINDS["norm"].values}
_NORM_LEAVES = (tuple(_UNTOUCHED), tuple(leaf.in_mindspore for leaf in KINDS["norm"].values))


@dataclass(frozen=True, slots=True)
class TensorStatistics:
    """A tensor's values; minimum to standard deviation are of the finite ones, None where there are none."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None
    nan: int
    inf: int
    zeros: int

    @property
    def all_zero(self) -> bool:
        """Whether every value is 0."""
        return self.minimum == self.maximum == 0 and not self.nan and not self.inf

    @property
    def constant(self) -> bool:
        """Whether all values are one and the same."""
        return self.minimum is not None and self.minimum == self.maximum and not self.nan and not self.inf

    def to_dict(self) -> dict[str, Any]:
        """Return what `inspect --stats --json` prints of a tensor."""
        return {
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "std": self.std,
            "nan": self.nan,
            "inf": self.inf,
            "zeros": self.zeros,
            "all_zero": self.all_zero,
            "constant": self.constant,
        }


def statistics_of(tensor: Tensor) -> TensorStatistics | None:
    """Return a tensor's statistics, computed in float64 in one pass; None for complex values."""
    import numpy as np

    if tensor.dtype.startswith("complex"):
        return None
    low, high = math.inf, -math.inf
    count = nan = inf = zeros = 0
    mean = squares = 0.0  # of the deviations from the mean
    for values in tensor.arrays():
        values = values.astype(np.float64)
        finite = values[np.isfinite(values)]
        nan += int(np.count_nonzero(np.isnan(values)))
        inf += int(np.count_nonzero(np.isinf(values)))
        zeros += int(finite.size - np.count_nonzero(finite))
        if not finite.size:
            continue
        low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        # Chan's update: exact also where the mean is far larger than the deviations
        here = float(finite.mean())
        total = count + finite.size
        squares += float(np.square(finite - here).sum()) + (here - mean) ** 2 * count * finite.size / total
        mean += (here - mean) * finite.size / total
        count = total
    if not count:
        return TensorStatistics(None, None, None, None, nan, inf, zeros)
    return TensorStatistics(low, high, mean, math.sqrt(squares / count), nan, inf, zeros)


def untouched_norms(tensors: Mapping[str, Tensor]) -> tuple[list[str], int]:
    """Return the BatchNorm layers as they are before training (gamma 1, beta 0, mean 0, variance 1).

    The layers are told by their leaves, in MindSpore's or PyTorch's words.

    Returns:
        The untouched layers' paths, and how many BatchNorm layers there are.
    """
    import numpy as np

    untouched, layers = [], 0
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        for leaves in _NORM_LEAVES:
            parts = [tensors.get(f"{path}.{part}") for part in leaves]
            if leaf != leaves[0] or any(part is None for part in parts):
                continue
            layers += 1
            if all(
                bool(np.all(values.astype(np.float32) == initial))
                for part, initial in zip(parts, _UNTOUCHED.values(), strict=True)
                if part is not None
                for values in part.arrays()
            ):
                untouched.append(path)
    return untouched, layers


def fresh_statistics(tensors: Mapping[str, Tensor]) -> tuple[list[str], int]:
    """Return the BatchNorm layers whose mean is 0 and variance 1 throughout, as before the first batch.

    Returns:
        The layers' paths, and how many BatchNorm layers there are.
    """
    import numpy as np

    fresh, layers = [], 0
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        for leaves in _NORM_LEAVES:
            mean, variance = leaves[2:]
            if leaf != mean or f"{path}.{variance}" not in tensors:
                continue
            layers += 1
            if all(
                bool(np.all(values.astype(np.float32) == initial))
                for part, initial in ((mean, 0.0), (variance, 1.0))
                for values in tensors[f"{path}.{part}"].arrays()
            ):
                fresh.append(path)
    return fresh, layers
