"""Functions whose kernels in MindSpore's CPU are further off than roundings are."""

from mindspore import Tensor, ops


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent; the one of MindSpore's CPU is up to 1e-4 off."""
    grown = ops.expm1(2 * ops.clamp(x, -10.0, 10.0))
    return grown / (grown + 2)
