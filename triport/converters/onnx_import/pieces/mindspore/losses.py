"""Losses."""

import mindspore
from mindspore import Tensor, ops


def nll_loss(x: Tensor, target: Tensor, weight: Tensor | None, ignored: int | None, reduction: str) -> Tensor:
    """Return the weighted mean, the sum, or each of the negative logarithms at the targets."""
    target = target.to(mindspore.int64)
    counted = ops.ones_like(target) if ignored is None else (target != ignored).to(mindspore.int64)
    safe = target * counted
    weights = counted.to(x.dtype)
    if weight is not None:
        weights = weights * ops.gather(weight, safe, 0)
    taken = ops.gather_elements(x, 1, ops.unsqueeze(safe, 1)).squeeze(1)
    losses = -taken * weights
    if reduction == "none":
        return losses
    return losses.sum() / weights.sum() if reduction == "mean" else losses.sum()
