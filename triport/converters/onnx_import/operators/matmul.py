"""Products of matrices; with constant weights they are linear layers."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, turned
from triport.converters.onnx_import.microsoft.fused import SWAPPED
from triport.converters.onnx_import.values import Known, Variable

from . import both
from .elementwise import f32
from .products import attention_of

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@both("MatMul")
def matmul(call: Call) -> ast.expr:
    """A product; by a constant matrix it is a linear layer, with the bias of the addition that follows."""
    weight = call.rep(1)
    shape = call.shape(0)
    _refuse_of_nothing(call, -1)
    if (
        isinstance(weight, Known)
        and isinstance(call.rep(0), Variable)
        and weight.array.ndim == 2
        and weight.origin is not None
        and weight.trained
        and shape is not None
        and len(shape) >= 1
        and call.dtype(0) in _FLOATS
    ):
        layer = _linear(call, weight, None)
        if layer is not None:
            return layer
    if call.target == "pytorch":
        attended = attention_of(call)
        if attended is not None:
            return attended
        return code(
            "a @ b" if call.dtype(0) in _FLOATS else "torch.matmul(a, b)", a=call.tensor(0), b=call.tensor(1)
        )
    a, b = call.tensor(0), call.tensor(1)
    if call.dtype(0) not in _FLOATS:
        call.refuse("of integers: MindSpore's CPU multiplies floats")
    return code("ops.matmul(a, b)", a=a, b=b)


def _refuse_of_nothing(call: Call, axis: int) -> None:
    """Refuse products that are sums of no numbers: MindSpore's CPU returns what stands in memory for them."""
    shape = call.shape(0)
    if call.target == "mindspore" and shape and shape[axis] == 0:
        call.refuse("of an empty axis")


def _linear(call: Call, weight: Known, bias: Known | None) -> ast.expr | None:
    """Return a linear layer of a weight that is stored (in, out), if that can be one."""
    held = Known(weight.array.T, weight.origin, trained=True)
    return linear_layer(call, held, bias)


def linear_layer(call: Call, weight: Known, bias: Known | None) -> ast.expr | None:
    """Return a linear layer of a weight that is (out, in); None if it is held elsewhere already."""
    outputs, inputs = weight.array.shape
    if call.target == "mindspore" and not weight.array.size:
        return None  # a Dense of nothing is none
    kind = (
        "nn.Linear(i, o, bias=b, dtype=d)"
        if call.target == "pytorch"
        else "nn.Dense(i, o, has_bias=b, dtype=d)"
    )
    dtype = str(weight.array.dtype)
    constructor = code(
        kind,
        i=inputs,
        o=outputs,
        b=OMIT if bias is not None else False,
        d=OMIT if dtype == "float32" else call.dtype_name(dtype),
    )
    weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
    return call.body.layer("linear", constructor, weights, call.tensor(0))


@both("Gemm", since=6)
def gemm(call: Call) -> ast.expr:
    """Alpha A B + beta C; a linear layer if it is one."""
    alpha, beta = (f32(call.attribute(n, 1.0)) for n in ("alpha", "beta"))
    trans_a, trans_b = call.attribute("transA", 0), call.attribute("transB", 0)
    weight = call.rep(1)
    bias = call.rep(2) if call.has(2) else None
    _refuse_of_nothing(call, 0 if trans_a else -1)
    if (
        isinstance(weight, Known)
        and isinstance(call.rep(0), Variable)
        and weight.array.ndim == 2
        and alpha == 1
    ):
        array = weight.array if trans_b else weight.array.T
        good_bias = bias is None or (
            isinstance(bias, Known) and bias.array.shape == (array.shape[0],) and beta == 1
        )
        if not trans_a and good_bias and call.dtype(0) in _FLOATS:
            held = Known(np.ascontiguousarray(array), weight.origin, trained=True)
            layer = linear_layer(call, held, bias if isinstance(bias, Known) else None)
            if layer is not None:
                return layer
    if call.target == "mindspore" and call.dtype(0) not in _FLOATS:
        call.refuse("of integers: MindSpore's CPU multiplies floats")
    a: Any = turned(call.tensor(0)) if trans_a else call.tensor(0)
    b: Any = turned(call.tensor(1)) if trans_b else call.tensor(1)
    product = code("a @ b" if call.target == "pytorch" else "ops.matmul(a, b)", a=a, b=b)
    if alpha != 1:
        product = code("n * x", n=alpha, x=product)
    if bias is None:
        return product
    c = call.tensor(2)
    return code("x + c", x=product, c=code("n * c", n=beta, c=c) if beta != 1 else c)


@both("Einsum")
def einsum(call: Call) -> ast.expr:
    """Einstein's sum; in MindSpore's CPU by products of axes that are set side by side."""
    equation = call.attribute("equation").replace(" ", "")
    if equation == SWAPPED:
        return code("x.mT" if call.target == "pytorch" else "x.swapaxes(-1, -2)", x=call.tensor(0))
    if not set(equation) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,->"):
        call.refuse("its equation has characters that are none")
    tensors = [call.tensor(i) for i in range(call.count)]
    if call.target == "pytorch":
        return code("torch.einsum(e, *xs)", e=equation, xs=tensors)
    terms, after = _spelled_out(call, equation)
    if any(len(set(term)) < len(term) for term in (*terms, after)):
        call.refuse("an equation with an axis that stands twice")
    before = "".join(terms)
    if not set(after) <= set(before):
        call.refuse("its equation does not fit its inputs")
    for i, term in enumerate(terms):
        single = _broadcast(call, terms, i)
        if single:
            tensors[i] = code("ops.squeeze(x, a)", x=tensors[i], a=tuple(map(term.index, single)))
    terms = ["".join(a for a in t if a not in _broadcast(call, terms, i)) for i, t in enumerate(terms)]
    if len(terms) == 1 and sorted(before) == sorted(after):
        return code("ops.transpose(x, o)", x=tensors[0], o=tuple(before.index(axis) for axis in after))
    if call.dtype(0) not in ("float32", "float64"):
        call.refuse(f"of {call.dtype(0)}: MindSpore's CPU multiplies float32 and float64")
    return code("f(t, a, *xs)", f=call.function("einsum"), t=tuple(terms), a=after, xs=tensors)


def _spelled_out(call: Call, equation: str) -> tuple[list[str], str]:
    """Return the terms and the result of an equation, with letters for the axes of each ellipsis."""
    before, arrow, after = equation.partition("->")
    terms = before.split(",")
    if len(terms) != call.count:
        call.refuse("its equation does not fit its inputs")
    if not arrow:
        letters = set(before) - set(",.")
        after = "..." * ("." in before) + "".join(sorted(a for a in letters if before.count(a) == 1))
    free = [a for a in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if a not in equation]
    open_axes = [call.rank(i) - len(term.replace("...", "")) for i, term in enumerate(terms)]
    counts = [n if "..." in term else 0 for n, term in zip(open_axes, terms, strict=True)]
    most = max(counts)
    if open_axes != counts or min(counts) < 0 or most > len(free):
        call.refuse("its equation does not fit its inputs")
    # the last axes of each stand for the same
    written = [t.replace("...", "".join(free[most - n : most])) for t, n in zip(terms, counts, strict=True)]
    return written, after.replace("...", "".join(free[:most]))


def _broadcast(call: Call, terms: list[str], index: int) -> list[str]:
    """Return the axes of a term that are of one place, and longer in another term."""
    lengths = [dict(zip(term, call.shape(i) or [], strict=True)) for i, term in enumerate(terms)]
    return [
        axis
        for axis in terms[index]
        if lengths[index][axis] == 1 and any(each.get(axis, 1) != 1 for each in lengths)
    ]
