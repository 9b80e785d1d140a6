"""What MindSpore 2.10 computes on a CPU in place of a function: formulas, whatever they are computed with.

Its kernels take vectors of eight numbers at a time, by polynomials that are up to 100 roundings off: exp and
all that is made of it, log, tanh. Here each is written once, for `Arithmetic`: PyTorch computes it in place
of the reference's function (`approximations.py`), ONNX Runtime in place of a file's (`graphs/kernels.py`).
What then gives the same as MindSpore is right but for these kernels.

Source: mindspore/ops/kernel/cpu/nnacl: activation_fp32.c, exp_fp32.c, the instructions of log, and
softmax_fp32.c; the logarithm of a softmax is oneDNN's. Each is held against MindSpore itself by a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

# A number, or many of them, that + - * / and > take: a tensor of PyTorch, or a value of a graph.
Numbers = Any

LN2 = 0.6931470036506653  # the kernels': 0.693147 in float32
LOG2_E = 1.4426950408889634
LARGEST_EXPONENT = 88.0
VECTOR = 8  # numbers that a kernel takes at a time
# What oneDNN's table of logarithms is off by, in each 32nd of a power of two (measured).
_BINS: dict[int, float] = {
    **{0: -1.43e-06, 1: 3.41e-06, 2: -2.90e-06, 3: 5.74e-07, 4: -3.16e-06},
    **dict.fromkeys((5, 6), -1.48e-06),
    7: 8.06e-07,
    **dict.fromkeys((8, 9), 2.81e-06),
    **dict.fromkeys((10, 11), -1.92e-06),
    **dict.fromkeys((12, 13), 2.85e-06),
    **dict.fromkeys((14, 15), -5.57e-08),
    **dict.fromkeys((16, 17), -2.22e-06),
    **dict.fromkeys((18, 19, 20), -2.41e-06),
    **dict.fromkeys((21, 22), -3.28e-06),
    **dict.fromkeys((23, 24, 25, 26), -9.86e-07),
    **dict.fromkeys((27, 28, 29), 2.44e-08),
    **dict.fromkeys((30, 31), -1.43e-06),
}
TABLE = tuple(_BINS[index] for index in range(32))


class Arithmetic(Protocol):
    """What computes a formula, beside + - * / and >."""

    def where(self, condition: Numbers, yes: Numbers, no: Numbers) -> Numbers:
        """Return one or the other, element by element."""

    def clip(self, x: Numbers, low: float, high: float) -> Numbers:
        """Return the numbers within bounds."""

    def round(self, x: Numbers) -> Numbers:
        """Return the nearest whole numbers."""

    def floor(self, x: Numbers) -> Numbers:
        """Return the largest whole numbers that are not above."""

    def abs(self, x: Numbers) -> Numbers:
        """Return the numbers without their signs."""

    def sign(self, x: Numbers) -> Numbers:
        """Return -1, 0 or 1."""

    def log(self, x: Numbers) -> Numbers:
        """Return the natural logarithm."""

    def power_of_two(self, x: Numbers) -> Numbers:
        """Return two to a number."""

    def largest_of_last(self, x: Numbers) -> Numbers:
        """Return the largest along the last axis, which stays with the size 1."""

    def sum_of_last(self, x: Numbers) -> Numbers:
        """Return the sum along the last axis, which stays with the size 1."""

    def looked_up(self, table: Sequence[float], index: Numbers) -> Numbers:
        """Return the entries of a table at whole numbers that are given as floating-point ones."""

    def in_vectors(self, x: Numbers) -> Numbers:
        """Return which elements lie in whole vectors; the last few of a tensor do not."""


def tanh(on: Arithmetic, x: Numbers) -> Numbers:
    """Return a quotient of polynomials, and 1 or -1 beyond 5."""
    square = x * x
    top = (((square + 378.0) * square + 17325.0) * square + 135135.0) * x
    bottom = ((square * 28.0 + 3150.0) * square + 62370.0) * square + 135135.0
    return on.where(on.abs(x) > 5.0, on.sign(x), top / bottom)


def exp(on: Arithmetic, x: Numbers) -> Numbers:
    """Return a power of two by a polynomial of the fifth degree."""
    x = on.clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    whole = on.round(x / LN2)
    rest = x - whole * LN2
    value = rest * (1 / 120) + 1 / 24
    for coefficient in (1 / 6, 0.5, 1.0, 1.0):
        value = rest * value + coefficient
    return on.power_of_two(whole) * value


def log(on: Arithmetic, x: Numbers) -> Numbers:
    """Return a series to the eleventh degree; the last few elements of a tensor are exact."""
    exact = on.log(x)
    whole = on.floor(exact * LOG2_E)
    part = x / on.power_of_two(on.clip(whole, -126.0, 127.0))
    # where rounding has put a power of two on the wrong side
    low = on.where(part > 0.9999999, whole * 0.0, whole * 0.0 + 1.0)
    high = on.where(part > 1.9999999, whole * 0.0 + 1.0, whole * 0.0)
    whole, part = whole - low + high, part * (low + 1.0) / (high + 1.0)
    quotient = (part - 1.0) / (part + 1.0)
    square = quotient * quotient
    value = square * (1 / 11) + 1 / 9
    for coefficient in (1 / 7, 1 / 5, 1 / 3, 1.0):
        value = square * value + coefficient
    found = whole * LN2 + quotient * value * 2.0
    # of 0, infinity and what is no number, the logarithm is exact as well
    is_number = on.where(x > 1.2e-38, on.where(x > 3.4e38, x * 0.0, x * 0.0 + 1.0), x * 0.0) > 0.5
    return on.where(on.in_vectors(x), on.where(is_number, found, exact), exact)


def sigmoid(on: Arithmetic, x: Numbers) -> Numbers:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (exp(on, x * -1.0) + 1.0)


def silu(on: Arithmetic, x: Numbers) -> Numbers:
    """Return x sigmoid(x)."""
    return x * sigmoid(on, x)


def softplus(on: Arithmetic, x: Numbers) -> Numbers:
    """Return log(1 + exp(x)), and x where that is the same."""
    return on.where(x > 20.0, x, log(on, exp(on, x) + 1.0))


def mish(on: Arithmetic, x: Numbers) -> Numbers:
    """Return x tanh(log(1 + exp(x))), as a quotient."""
    power = exp(on, on.clip(x, -LARGEST_EXPONENT, 20.0))
    top = power * (power + 2.0)
    return x * (top / (top + 2.0))


def elu(on: Arithmetic, x: Numbers, alpha: float = 1.0) -> Numbers:
    """Return alpha (exp(x) - 1) of what is negative; the last few elements of a tensor are exact."""
    low = on.clip(x, -LARGEST_EXPONENT, 0.0)
    power = on.where(on.in_vectors(x), exp(on, low), on.power_of_two(low * LOG2_E))
    return on.where(x > 0.0, x, (power - 1.0) * alpha)


def softmax(on: Arithmetic, x: Numbers) -> Numbers:
    """Return the softmax along the last axis; along others it is exact."""
    powers = exp(on, x - on.largest_of_last(x))
    return powers / on.sum_of_last(powers)


def log_softmax(on: Arithmetic, x: Numbers) -> Numbers:
    """Return the logarithm of the softmax along the last axis; its sums are exact, their logarithm is not."""
    less = x - on.largest_of_last(x)
    total = on.log(on.sum_of_last(on.power_of_two(less * LOG2_E)))
    exponent = total * LOG2_E
    mantissa = on.power_of_two(exponent - on.floor(exponent)) - 1.0
    off = on.looked_up(TABLE, on.clip(on.floor(mantissa * 32.0), 0.0, 31.0))
    return less - (total + off)
