"""Functions whose kernels in MindSpore's CPU are further off than roundings are."""

import math

from mindspore import Tensor, ops


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent; the one of MindSpore's CPU is up to 1e-4 off."""
    is_far = ops.abs(x) > 10.0
    near = ops.where(is_far, 0.0, x)
    return ops.where(is_far, ops.sign(x), ops.sinh(near) / ops.cosh(near))


def expm1(x: Tensor) -> Tensor:
    """Return exp(x) - 1 of numbers up to 0; the one of MindSpore's CPU has no right digit near to 0."""
    half = tanh(0.5 * x)
    return 2 * half / (1 - half)


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp(x)); log1p of MindSpore's CPU has no right digit near to 0, atanh has."""
    small = exp(-ops.abs(x))
    return ops.relu(x) + 2 * ops.atanh(small / (small + 2))


def exp(x: Tensor) -> Tensor:
    """Return the exponential; the one of MindSpore's CPU is up to 2e-5 of itself off, a power is not."""
    return ops.pow(math.e, x)


def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function; the one of MindSpore's CPU is up to 8e-7 off."""
    return 1 / (1 + exp(-ops.where(x < -87.0, -87.0, x)))


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm, which MindSpore's CPU has right of 1 + x alone."""
    grown = ops.where(x > 0.5, x, 1 / x)
    found = ops.log1p(grown - 1)
    is_exact = ops.logical_and(x > 0.0, ops.isfinite(grown))
    return ops.where(is_exact, ops.where(x > 0.5, found, -found), ops.log(x))


def sign(x: Tensor) -> Tensor:
    """Return the sign; of NaN it is NaN, and in MindSpore zero."""
    return ops.where(x != x, x, ops.sign(x))
