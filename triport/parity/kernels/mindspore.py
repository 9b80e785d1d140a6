"""The kernels of MindSpore 2.10 on a CPU that approximate a function, as PyTorch meets these functions."""

from __future__ import annotations

from typing import Any

from triport.parity.kernels import formulas

from .approximations import Approximation
from .formulas import Arithmetic

_EXP = "by a polynomial of the fifth degree, up to 6e-06 of its value off"
# of kernels of their own, which are exact
_EXACT = ("lstm", "gelu", "celu", "selu", "expm1", "sinh", "cosh")


def _softmax(on: Arithmetic, x: Any, axis: int, *_: Any) -> Any:
    return formulas.softmax(on, x) if _is_last(x, axis) else None


def _log_softmax(on: Arithmetic, x: Any, axis: int, *_: Any) -> Any:
    return formulas.log_softmax(on, x) if _is_last(x, axis) else None


def _is_last(x: Any, axis: int) -> bool:
    return axis in (-1, x.ndim - 1)


def _softplus(on: Arithmetic, x: Any, beta: float = 1.0, *_: Any) -> Any:
    return formulas.softplus(on, x * beta) / beta


def _log_sigmoid(on: Arithmetic, x: Any) -> Any:
    """Return it, and what PyTorch keeps for the gradient."""
    return formulas.log(on, formulas.sigmoid(on, x)), (-x.abs()).exp()


def _glu(on: Arithmetic, x: Any, axis: int = -1) -> Any:
    left, right = x.chunk(2, axis)
    return left * formulas.sigmoid(on, right)


def _logsumexp(on: Arithmetic, x: Any, axes: Any, keepdim: bool = False) -> Any:
    largest = x.amax(axes, keepdim=True)
    total = formulas.log(on, formulas.exp(on, x - largest).sum(axes, keepdim=True)) + largest
    return total if keepdim else total.amax(axes)


def _elu(on: Arithmetic, x: Any, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Any:
    return formulas.elu(on, x, alpha) if scale == inner == 1 else None


TANH = Approximation(
    "tanh",
    "by a quotient of polynomials, up to 1.0e-04 off",
    ("tanh",),
    formulas.tanh,
    exact_in=_EXACT,
)
KERNELS = (
    TANH,
    Approximation("exp", _EXP, ("exp",), formulas.exp, exact_in=_EXACT),
    Approximation("sigmoid", f"with exp {_EXP}", ("sigmoid",), formulas.sigmoid),
    Approximation("SiLU", f"with exp {_EXP}", ("silu",), formulas.silu),
    Approximation("GLU", f"with exp {_EXP}", ("glu",), _glu),
    Approximation("Mish", f"with exp {_EXP}", ("mish",), formulas.mish),
    Approximation("ELU", f"with exp {_EXP}", ("elu",), _elu),
    Approximation("softmax", f"with exp {_EXP}", ("_softmax", "_safe_softmax"), _softmax),
    Approximation("softplus", f"with exp {_EXP}", ("softplus",), _softplus),
    Approximation("log-sigmoid", f"with exp {_EXP}", ("log_sigmoid_forward",), _log_sigmoid),
    Approximation("logsumexp", f"with exp {_EXP}", ("logsumexp",), _logsumexp),
    Approximation("log-softmax", "by a table, up to 3.5e-06 off", ("_log_softmax",), _log_softmax),
    Approximation("log", "by a series with ln 2 of six digits, up to 2e-06 off", ("log",), formulas.log),
)
