"""Losses."""

from __future__ import annotations

import ast
from typing import Any

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code

from . import mindspore, pytorch

_REDUCTIONS = ("none", "mean", "sum")


def _given(call: Call) -> dict[str, Any]:
    reduction, ignored = call.attribute("reduction", "mean"), call.attribute("ignore_index", None)
    if reduction not in _REDUCTIONS:
        call.refuse("attribute reduction is unknown")
    return {
        "w": OMIT if not call.has(2) else call.tensor(2),
        "i": OMIT if ignored is None else ignored,
        "r": OMIT if reduction == "mean" else reduction,
    }


def _target(call: Call) -> ast.expr:
    target = call.tensor(1)
    return target if call.dtype(1) == "int64" else code("x.to(torch.int64)", x=target)


@pytorch("NegativeLogLikelihoodLoss")
def nll_loss(call: Call) -> ast.expr:
    """Of logarithms of probabilities."""
    return code(
        "F.nll_loss(x, t, weight=w, ignore_index=i, reduction=r)",
        x=call.tensor(0),
        t=_target(call),
        **_given(call),
    )


@pytorch("SoftmaxCrossEntropyLoss")
def cross_entropy(call: Call) -> Any:
    """Of scores; their logarithms of probabilities are the second output."""
    x = call.let("x", call.tensor(0))
    loss = code(
        "F.cross_entropy(x, t, weight=w, ignore_index=i, reduction=r)", x=x, t=_target(call), **_given(call)
    )
    return (loss, code("F.log_softmax(x, dim=1)", x=x))


def _mindspore(call: Call, x: ast.expr) -> ast.expr:
    given = _given(call)
    return code(
        "f(x, t, w, i, r)",
        f=call.function("nll_loss"),
        x=x,
        t=call.tensor(1),
        w=None if given["w"] is OMIT else given["w"],
        i=None if given["i"] is OMIT else given["i"],
        r="mean" if given["r"] is OMIT else given["r"],
    )


@mindspore("NegativeLogLikelihoodLoss")
def nll_loss_mindspore(call: Call) -> ast.expr:
    """Of logarithms of probabilities."""
    return _mindspore(call, call.tensor(0))


@mindspore("SoftmaxCrossEntropyLoss")
def cross_entropy_mindspore(call: Call) -> Any:
    """Of scores; their logarithms of probabilities are the second output."""
    logarithms = call.let("x", code("f(x, 1)", f=call.function("log_softmax"), x=call.tensor(0)))
    return (_mindspore(call, logarithms), logarithms)
