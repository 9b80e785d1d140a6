"""LSTM, GRU and RNN."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np

from triport.converters.onnx_import.call import Call
from triport.converters.onnx_import.expressions import OMIT, code, text_of
from triport.converters.onnx_import.values import Known

from . import both
from .elementwise import f32

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# of ONNX's order of gates, PyTorch's: input, forget, cell, output; reset, update, new
_ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_SWAPPED = {"pytorch": "x.transpose(0, 1)", "mindspore": "x.swapaxes(0, 1)"}
_SIMPLE = ("sigmoid", "tanh", "relu")
# the alpha and beta that the other activations have; None has to be stated
_PARAMETERS: dict[str, tuple[float | None, ...]] = {
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01,),
    "thresholdedrelu": (1.0,),
    "elu": (1.0,),
    "affine": (None, None),
    "scaledtanh": (None, None),
    "softsign": (),
    "softplus": (),
}
_USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


@dataclass(frozen=True, slots=True)
class _Recurrent:
    """What a node's attributes say."""

    direction: str
    activations: list[str]
    parameters: list[tuple[float, ...]]  # of each activation
    clip: float | None
    layout: int
    hidden: int
    reset_after: bool

    @property
    def count(self) -> int:
        """How many directions there are."""
        return 2 if self.direction == "bidirectional" else 1


@both("LSTM", "GRU", "RNN", since=7)
def recurrent(call: Call) -> Any:
    """A layer of PyTorch where it is one, else its definition, step by step."""
    read = _attributes(call)
    call.rep(1), call.rep(2)
    if call.target == "pytorch" and _is_layer(call, read):
        weights = [call.rep(i) for i in (1, 2, 3) if call.has(i)]
        _check_shapes(call, weights, read)
        layer = _layer(call, weights, read)
        if layer is not None:
            return layer
    return _by_definition(call, read)


def _cell(call: Call, read: _Recurrent) -> ast.expr | None:
    """Return all that a layer of MindSpore gives; None where it is not the usual one with stored weights."""
    op, weights = call.node.op_type, [call.rep(i) for i in (1, 2, 3) if call.has(i)]
    usual = [a.lower() for a in _USUAL[op]] * read.count
    is_fixed = all(isinstance(rep, Known) and rep.trained for rep in weights)
    if call.target != "mindspore" or read.activations != usual or read.clip is not None or not is_fixed:
        return None
    if read.layout or (op == "LSTM" and call.has(7)) or any(rep.array.dtype != np.float32 for rep in weights):
        return None
    _check_shapes(call, weights, read)
    constructor = code(
        f"{op}(i, h, d, bias=b, reset_after=r)",
        i=weights[0].array.shape[2],
        h=read.hidden,
        d=OMIT if read.direction == "forward" else read.direction,
        b=OMIT if len(weights) > 2 else False,
        r=False if op == "GRU" and not read.reset_after else OMIT,
    )
    held = dict(zip(("weight", "recurrence", "bias"), weights, strict=False))
    call.function(op)
    path = call.body.layer_path(op.lower(), constructor, held)
    if path is None:
        return None
    states = [call.tensor(i) if call.has(i) else None for i in ((5, 6) if op == "LSTM" else (5,))]
    lengths = call.tensor(4) if call.has(4) else None
    given = [*states, lengths]
    while given and given[-1] is None:
        given.pop()
    return code("f(x, *g)", f=call.body.member(path), x=call.tensor(0), g=given)


def _attributes(call: Call) -> _Recurrent:
    """Return what the attributes say, all of them read or refused."""
    op = call.node.op_type
    direction = call.attribute("direction", "forward")
    if direction not in ("forward", "reverse", "bidirectional"):
        call.refuse("attribute direction is unknown")
    count = 2 if direction == "bidirectional" else 1
    given = call.attribute("activations", None)
    activations = [a.lower() for a in (given or _USUAL[op] * count)]
    if any(a not in _SIMPLE and a not in _PARAMETERS for a in activations):
        call.refuse(f"activations {activations}")
    parameters = _parameters(call, activations)
    if len(activations) != count * len(_USUAL[op]):
        call.refuse(f"{len(activations)} activations; {count * len(_USUAL[op])} are expected")
    if call.attribute("hidden_size", 1) < 1:
        call.refuse("hidden_size is less than 1")
    if op == "LSTM" and call.attribute("input_forget", 0):
        call.refuse("input_forget")
    return _Recurrent(
        direction,
        activations,
        parameters,
        call.attribute("clip", None),
        call.attribute("layout", 0),
        call.attribute("hidden_size"),
        bool(call.attribute("linear_before_reset", 0)) if op == "GRU" else False,
    )


def _parameters(call: Call, activations: list[str]) -> list[tuple[float, ...]]:
    """Return the alpha and beta of each activation; those that have one take the next that is stated."""
    stated = [list(call.attribute(f"activation_{name}", None) or []) for name in ("alpha", "beta")]
    found = []
    for activation in activations:
        values = [
            f32(rest.pop(0)) if rest else default
            for rest, default in zip(stated, _PARAMETERS.get(activation, ()), strict=False)
        ]
        if None in values:
            call.refuse(f"activation {activation} without its alpha or beta")
        found.append(tuple(value for value in values if value is not None))
    if any(stated):
        call.refuse("more values of activation_alpha or activation_beta than activations take")
    return found


def _shown(call: Call, activation: str, parameters: tuple[float, ...]) -> Any:
    """Return an activation as the functions of pieces/ take it: a name of the framework's, or a function."""
    if activation in _SIMPLE:
        return activation
    return code("f(n, *p)", f=call.function("activation"), n=activation, p=list(parameters))


def _is_layer(call: Call, read: _Recurrent) -> bool:
    """Return whether nn.LSTM, nn.GRU or nn.RNN is what the node computes."""
    op = call.node.op_type
    usual = [a.lower() for a in _USUAL[op]] * read.count
    relu = op == "RNN" and read.activations == ["relu"] * read.count
    if (read.activations != usual and not relu) or read.clip is not None or read.direction == "reverse":
        return False
    if call.has(4) or (op == "LSTM" and call.has(7)) or (op == "GRU" and not read.reset_after):
        return False
    fixed = all(isinstance(call.rep(i), Known) for i in (1, 2, 3) if call.has(i))
    return fixed and call.dtype(0) == "float32"


def _by_definition(call: Call, read: _Recurrent) -> tuple[ast.expr, ...]:
    op = call.node.op_type
    layer = _cell(call, read)
    if layer is not None:
        return _outputs_of(call, read, layer)
    optional = {i: call.tensor(i) if call.has(i) else None for i in (3, 4, 5, 6, 7) if i < 6 or op == "LSTM"}
    states = [optional[i] for i in ((5, 6) if op == "LSTM" else (5,))]
    x = call.tensor(0)
    if read.layout:
        x = code(_SWAPPED[call.target], x=x)
        states = [None if s is None else code(_SWAPPED[call.target], x=s) for s in states]
    step = code(
        "f(r, b, *p, a, l, *m)" if call.target == "pytorch" else "(f, r, b, *p, a, l, *m)",
        f=call.function(f"{op.lower()}_step"),
        r=call.tensor(2),
        b=optional[3],
        p=[optional[7]] if op == "LSTM" else OMIT,
        a=tuple(_shown(call, *each) for each in zip(read.activations, read.parameters, strict=True)),
        l=None if read.clip is None else f32(read.clip),
        m=[read.reset_after] if op == "GRU" else OMIT,
    )
    result = code(
        "f(x, w, b, n, s, size, backwards, step)",
        f=call.function("recurrent"),
        x=x,
        w=call.tensor(1),
        b=optional[3],
        n=optional[4],
        s=states,
        size=read.hidden,
        backwards=read.direction == "reverse",
        step=step,
    )
    return _outputs_of(call, read, result)


def _outputs_of(call: Call, read: _Recurrent, result: ast.expr) -> tuple[ast.expr, ...]:
    """Return the node's outputs of all hidden states and the last ones of each kind."""
    op = call.node.op_type
    found = call.let("out", result)
    outputs = [code("x[i]", x=found, i=i) for i in range(3 if op == "LSTM" else 2)]
    if call.node.meta.get("joined"):
        one = (
            "x.squeeze(1)"
            if read.count == 1
            else f"{_SWAPPED[call.target].replace('0, 1', '1, 2')}.flatten(2)"
        )
        outputs[0] = code(one, x=outputs[0])
    if read.layout:
        first = "x.permute(2, 0, 1, 3)"
        return (code(first, x=outputs[0]), *(code(_SWAPPED[call.target], x=y) for y in outputs[1:]))
    return tuple(outputs)


def _check_shapes(call: Call, weights: list[Known], read: _Recurrent) -> None:
    """Refuse weights of other shapes than the operator's schema says."""
    rows, taken = _GATES[call.node.op_type] * read.hidden, weights[0].array.shape[-1:]
    expected = ((read.count, rows, *taken), (read.count, rows, read.hidden), (read.count, 2 * rows))
    for rep, shape in zip(weights, expected, strict=False):
        if rep.array.shape != shape:
            call.refuse(f"weights of {list(rep.array.shape)}, expected {list(shape)}")


def _layer(call: Call, weights: list[Known], read: _Recurrent) -> tuple[ast.expr, ...] | None:
    """Return nn.LSTM, nn.GRU or nn.RNN with its states; the gates are brought into PyTorch's order."""
    op = call.node.op_type
    constructor = code(
        f"nn.{op}(i, h, bias=b, batch_first=f, bidirectional=d, nonlinearity=r)",
        i=weights[0].array.shape[2],
        h=read.hidden,
        b=OMIT if len(weights) > 2 else False,
        f=True if read.layout else OMIT,
        d=True if read.count == 2 else OMIT,
        r="relu" if op == "RNN" and "relu" in read.activations else OMIT,
    )
    key = (text_of(constructor), *(each.origin for each in weights))
    held = call.body.shared.recurrent
    layer = held.get(key) if all(key) else None  # a layer that is called twice is one
    if layer is None:
        layer = call.body.layer_path(op.lower(), constructor, _held(op, weights, read))
    if layer is None:
        return None
    held[key] = layer
    states = [call.tensor(i) if call.has(i) else None for i in ((5, 6) if op == "LSTM" else (5,))]
    if op == "LSTM" and (states[0] is None) != (states[1] is None):
        call.refuse("only one of the two initial states")
    if read.layout:
        states = [None if s is None else code("s.transpose(0, 1)", s=s) for s in states]
    first: Any = OMIT if states[0] is None else (tuple(states) if op == "LSTM" else states[0])
    run = code("f(x, s)", f=call.body.member(layer), x=call.tensor(0), s=first)
    names = [call.body.shared.fresh(n) for n in ("x", "hidden", "cell")[: 3 if op == "LSTM" else 2]]
    pair: ast.expr = ast.Name(names[1], ast.Store())
    if op == "LSTM":
        pair = ast.Tuple([ast.Name(n, ast.Store()) for n in names[1:]], ast.Store())
    call.body.statements.append(
        ast.Assign([ast.Tuple([ast.Name(names[0], ast.Store()), pair], ast.Store())], run)
    )
    sequence: ast.expr = ast.Name(names[0], ast.Load())
    if not call.node.meta.get("joined"):
        sequence = _with_directions(sequence, read)
    last: list[ast.expr] = [ast.Name(n, ast.Load()) for n in names[1:]]
    if read.layout:
        last = [code("s.transpose(0, 1)", s=s) for s in last]
    return (sequence, *last)


def _held(op: str, weights: list[Known], read: _Recurrent) -> dict[str, Known]:
    """Return the layer's weights by leaf."""
    held: dict[str, Known] = {}
    for d in range(read.count):
        end = "_reverse" if d else ""
        for name, rep in (("weight_ih", weights[0]), ("weight_hh", weights[1])):
            held[f"{name}_l0{end}"] = Known(_ordered(rep.array[d], op, read.hidden), trained=True)
        if len(weights) > 2:
            bias = weights[2].array[d]
            for name, part in (("bias_ih", bias[: len(bias) // 2]), ("bias_hh", bias[len(bias) // 2 :])):
                held[f"{name}_l0{end}"] = Known(_ordered(part, op, read.hidden), trained=True)
    return held


def _with_directions(y: ast.expr, read: _Recurrent) -> ast.expr:
    """Return all hidden states with an axis of directions, as ONNX has them."""
    if read.layout:
        return code("x.unflatten(-1, (n, -1))", x=y, n=read.count)
    if read.count == 1:
        return code("x.unsqueeze(1)", x=y)
    return code("x.unflatten(-1, (n, -1)).transpose(1, 2)", x=y, n=read.count)


def _ordered(array: np.ndarray, op: str, hidden: int) -> np.ndarray:
    gates = array.reshape(_GATES[op], hidden, *array.shape[1:])
    return np.ascontiguousarray(gates[list(_ORDERS[op])]).reshape(array.shape)
