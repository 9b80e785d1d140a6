"""LSTM, GRU and RNN."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code
from triport.converters.onnx_import.values import Known

from . import pytorch
from .elementwise import _f32

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# of ONNX's order of gates, PyTorch's: input, forget, cell, output; reset, update, new
_ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


@pytorch("LSTM", "GRU", "RNN", since=7)
def recurrent(call: Call) -> Any:
    """A layer of PyTorch where it is one, else its definition, step by step."""
    op = call.node.op_type
    direction = call.attribute("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        call.refuse("attribute direction is unknown")
    count = 2 if direction == "bidirectional" else 1
    given = call.attribute("activations", None)
    activations = [a.lower() for a in (given or _USUAL[op] * count)]
    alphas, betas = call.attribute("activation_alpha", None), call.attribute("activation_beta", None)
    clip, layout = call.attribute("clip", None), call.attribute("layout", 0)
    hidden = call.attribute("hidden_size")
    after = call.attribute("linear_before_reset", 0) if op == "GRU" else 0
    coupled = call.attribute("input_forget", 0) if op == "LSTM" else 0
    known = ("sigmoid", "tanh", "relu")
    if any(a not in known for a in activations) or alphas or betas:
        call.refuse(f"activations {activations}")
    if coupled:
        call.refuse("input_forget")
    call.rep(1), call.rep(2)
    usual = [a.lower() for a in _USUAL[op]] * count
    relu = op == "RNN" and activations == ["relu"] * count
    peepholes = op == "LSTM" and call.has(7)
    plain = (activations == usual or relu) and clip is None and not call.has(4) and not peepholes
    weights = [call.rep(i) if call.has(i) else None for i in (1, 2, 3)]
    fixed = all(w is None or isinstance(w, Known) for w in weights)
    if (
        plain
        and fixed
        and direction != "reverse"
        and not (op == "GRU" and not after)
        and call.dtype(0) == "float32"
    ):
        layer = _layer(call, [w for w in weights if isinstance(w, Known)], hidden, count, layout, relu)
        if layer is not None:
            return layer
    function = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}[op]
    more: dict[str, Any] = {}
    if op == "LSTM":
        more = {"c": call.tensor(6) if call.has(6) else None, "p": call.tensor(7) if call.has(7) else None}
        template = "f(x, w, r, b, n, h, c, p, direction=d, activations=a, clip=l, batch_first=o)"
    elif op == "GRU":
        more = {"after": bool(after)}
        template = "f(x, w, r, b, n, h, direction=d, activations=a, clip=l, batch_first=o, reset_after=after)"
    else:
        template = "f(x, w, r, b, n, h, direction=d, activations=a, clip=l, batch_first=o)"
    result = code(
        template,
        f=call.function(function),
        x=call.tensor(0),
        w=call.tensor(1),
        r=call.tensor(2),
        b=call.tensor(3) if call.has(3) else None,
        n=call.tensor(4) if call.has(4) else None,
        h=call.tensor(5) if call.has(5) else None,
        d=direction,
        a=tuple(activations),
        l=None if clip is None else _f32(clip),
        o=bool(layout),
        **more,
    )
    found = call.let("out", result)
    return tuple(code("x[i]", x=found, i=i) for i in range(3 if op == "LSTM" else 2))


def _layer(
    call: Call, weights: list[Known], hidden: int, count: int, layout: int, relu: bool
) -> tuple[ast.expr, ...] | None:
    """Return nn.LSTM, nn.GRU or nn.RNN with its states; the gates are brought into PyTorch's order."""
    op = call.node.op_type
    inputs = weights[0].array.shape[2]
    held: dict[str, Known] = {}
    for d in range(count):
        end = "_reverse" if d else ""
        for name, rep in (("weight_ih", weights[0]), ("weight_hh", weights[1])):
            held[f"{name}_l0{end}"] = Known(_ordered(rep.array[d], op, hidden), trained=True)
        bias = weights[2].array[d] if len(weights) > 2 else None
        if bias is not None:
            for name, part in (("bias_ih", bias[: len(bias) // 2]), ("bias_hh", bias[len(bias) // 2 :])):
                held[f"{name}_l0{end}"] = Known(_ordered(part, op, hidden), trained=True)
    constructor = code(
        f"nn.{op}(i, h, bias=b, batch_first=f, bidirectional=d, nonlinearity=r)",
        i=inputs,
        h=hidden,
        b=OMIT if len(weights) > 2 else False,
        f=True if layout else OMIT,
        d=True if count == 2 else OMIT,
        r="relu" if relu else OMIT,
    )
    layer = call.body.shared.state.add_layer(op.lower(), constructor, held, call.body.prefix)
    if layer is None:
        return None
    states = [call.tensor(i) if call.has(i) else None for i in ((5, 6) if op == "LSTM" else (5,))]
    if op == "LSTM" and (states[0] is None) != (states[1] is None):
        call.refuse("only one of the two initial states")
    if layout:
        states = [None if s is None else code("s.transpose(0, 1)", s=s) for s in states]
    first: Any = OMIT if states[0] is None else (tuple(states) if op == "LSTM" else states[0])
    module = call.body.member(layer)
    run = code("f(x, s)", f=module, x=call.tensor(0), s=first)
    names = [call.body.shared.fresh(n) for n in ("x", "hidden", "cell")[: 3 if op == "LSTM" else 2]]
    pair: ast.expr = ast.Name(names[1], ast.Store())
    if op == "LSTM":
        pair = ast.Tuple([ast.Name(n, ast.Store()) for n in names[1:]], ast.Store())
    call.body.statements.append(
        ast.Assign([ast.Tuple([ast.Name(names[0], ast.Store()), pair], ast.Store())], run)
    )
    y = ast.Name(names[0], ast.Load())
    if layout:
        sequence = code("x.unflatten(-1, (n, -1))", x=y, n=count)
    elif count == 1:
        sequence = code("x.unsqueeze(1)", x=y)
    else:
        sequence = code("x.unflatten(-1, (n, -1)).transpose(1, 2)", x=y, n=count)
    last = [ast.Name(n, ast.Load()) for n in names[1:]]
    if layout:
        return (sequence, *(code("s.transpose(0, 1)", s=s) for s in last))
    return (sequence, *last)


def _ordered(array: np.ndarray, op: str, hidden: int) -> np.ndarray:
    gates = array.reshape(_GATES[op], hidden, *array.shape[1:])
    return np.ascontiguousarray(gates[list(_ORDERS[op])]).reshape(array.shape)
