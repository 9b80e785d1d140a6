"""Layers with their activation, and activations."""

from __future__ import annotations

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

# the last two axes, of whatever rank
SWAPPED = "...ij->...ji"


@rule("FusedConv")
def _fused_conv(made: Expansion) -> None:
    activation, parameters = made.attribute("activation", ""), made.attribute("activation_params", [])
    names = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    attributes = {name: made.attribute(name, None) for name in names}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    bias = [made.of(2)] if made.has(2) else []
    made.check(4)
    y = made.put("Conv", made.of(0), made.of(1), *bias, **attributes)
    if made.has(3):
        y = made.put("Add", y, made.of(3))
    made.give(0, _activated(made, activation, y, list(parameters)))


@rule("FusedGemm")
def _fused_gemm(made: Expansion) -> None:
    attributes = {name: made.attribute(name, default) for name, default in _GEMM.items()}
    activation = made.attribute("activation", "")
    parameters = [made.attribute(f"activation_{name}", None) for name in ("alpha", "beta", "gamma")]
    made.check(3)
    y = made.put("Gemm", *made.node.input, **attributes)
    made.give(0, _activated(made, activation, y, [p for p in parameters if p is not None]))


_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}


def _activated(made: Expansion, kind: str, x: str, parameters: list[float]) -> str:
    """Return an activation that a node was fused with."""
    if not kind:
        return x
    if kind in ("Relu", "Tanh", "Sigmoid") and not parameters:
        return made.put(kind, x)
    if kind == "LeakyRelu" and len(parameters) == 1:
        return made.put(kind, x, alpha=parameters[0])
    if kind == "HardSigmoid" and len(parameters) == 2:
        return made.put(kind, x, alpha=parameters[0], beta=parameters[1])
    if kind == "Clip" and len(parameters) == 2:
        if made.opset < 11:
            return made.put(kind, x, min=parameters[0], max=parameters[1])
        return made.put(kind, x, made.number(parameters[0]), made.number(parameters[1]))
    raise NotExpandedError


@rule("FusedMatMul", "TransposeMatMul")
def _fused_matmul(made: Expansion) -> None:
    alpha = made.attribute("alpha", 1.0)
    flags = [made.attribute(name, 0) for name in ("transA", "transB", "transBatchA", "transBatchB")]
    made.check(2)
    if flags[2] or flags[3]:
        raise NotExpandedError
    a, b = (
        made.put("Einsum", made.of(i), equation=SWAPPED) if flag else made.of(i)
        for i, flag in enumerate(flags[:2])
    )
    y = made.put("MatMul", a, b)
    made.give(0, made.put("Mul", y, made.number(alpha)) if alpha != 1 else y)


@rule("Gelu", "BiasGelu")
def _gelu(made: Expansion) -> None:
    made.check(2)
    x = made.put("Add", made.of(0), made.of(1)) if made.has(1) else made.of(0)
    scaled = made.put("Div", x, made.number(np.sqrt(2)))
    sum_ = made.put("Add", made.put("Erf", scaled), made.number(1))
    made.give(0, made.put("Mul", made.put("Mul", x, sum_), made.number(0.5)))


@rule("FastGelu")
def _fast_gelu(made: Expansion) -> None:
    made.check(2)
    x = made.put("Add", made.of(0), made.of(1)) if made.has(1) else made.of(0)
    cube = made.put("Mul", made.put("Mul", made.put("Mul", x, x), x), made.number(0.044715))
    inner = made.put("Mul", made.put("Add", x, cube), made.number(np.sqrt(2 / np.pi)))
    sum_ = made.put("Add", made.put("Tanh", inner), made.number(1))
    made.give(0, made.put("Mul", made.put("Mul", x, sum_), made.number(0.5)))


@rule("QuickGelu")
def _quick_gelu(made: Expansion) -> None:
    alpha = made.attribute("alpha", 1.702)
    made.check(1)
    x = made.of(0)
    gate = x if alpha == 1 else made.put("Mul", x, made.number(alpha))
    made.give(0, made.put("Mul", x, made.put("Sigmoid", gate)))
