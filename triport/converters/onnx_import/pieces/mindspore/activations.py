"""Functions whose kernels in MindSpore's CPU are further off than roundings are."""

import math

from mindspore import Tensor, ops


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent; the one of MindSpore's CPU is up to 1e-4 off."""
    grown = ops.expm1(2 * ops.clamp(x, -10.0, 10.0))
    return grown / (grown + 2)


def exp(x: Tensor) -> Tensor:
    """Return the exponential; the one of MindSpore's CPU is up to 2e-5 of itself off, a power is not."""
    return ops.pow(math.e, x)


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm; around 1 the one of MindSpore's CPU is not near to 0."""
    near = ops.log1p(ops.clamp(x, 0.5, 2.0) - 1)
    return ops.where(ops.logical_and(x > 0.5, x < 2.0), near, ops.log(x))
