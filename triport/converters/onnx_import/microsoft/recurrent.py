"""An LSTM with weights of eight bits, as onnxruntime.quantization writes it for a dynamic range."""

from __future__ import annotations

from typing import Any

import numpy as np

from .expansion import Expansion, NotExpandedError, rule

_FLOAT = 1
_PARTS_STATED = 18  # the opset from which Split has to say how many
_USUAL = ("Sigmoid", "Tanh", "Tanh")
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@rule("DynamicQuantizeLSTM")
def _lstm(made: Expansion) -> None:
    """The inputs of all steps at once, and the hidden state of each step, in eight bits of their own range.

    Source: ComputeGemm of onnxruntime/core/providers/cpu/rnn/rnn_helpers.cc. With a batch above one and
    several threads it quantizes the hidden states of a part of the batch together, with one those of all.
    """
    directions = _DIRECTIONS.get(made.attribute("direction", "forward"))
    size = made.attribute("hidden_size", 0)
    activations = made.attribute("activations", None)
    if directions is None or size < 1 or made.attribute("input_forget", 0) or made.has(4) or made.has(7):
        raise NotExpandedError
    stated = [a.decode() if isinstance(a, bytes) else a for a in activations or _USUAL * len(directions)]
    if [a.lower() for a in stated] != [a.lower() for a in _USUAL * len(directions)]:
        raise NotExpandedError
    made.check(12, outputs=3)
    given = made.several("DynamicQuantizeLinear", 3, made.of(0))
    found = [_direction(made, given, d, backwards, size) for d, backwards in enumerate(directions)]
    for output, axis in ((0, 1), (1, 0), (2, 0)):
        parts = [made.put("Unsqueeze", each[output], axes=[axis]) for each in found]
        made.give(output, made.put("Concat", *parts, axis=axis))


def _direction(made: Expansion, given: list[str], d: int, backwards: bool, size: int) -> tuple[str, str, str]:
    """Return all hidden states of a direction, the last one, and the last cell."""
    x = _product(made, given, *_of_direction(made, (1, 8, 9), d))
    states = [_state(made, index, d, size) for index in (5, 6)]
    body = _Body(made)
    hidden = body.several("DynamicQuantizeLinear", 3, "h")
    gates = body.put("Add", "x", _product(body, hidden, *_of_direction(made, (2, 10, 11), d)))
    if made.has(3):
        bias = made.array(3)[d]
        gates = body.put("Add", gates, made.constant(bias[: 4 * size] + bias[4 * size :]))
    four = {"num_outputs": 4} if made.opset >= _PARTS_STATED else {}
    i, o, f, c = body.several("Split", 4, gates, axis=1, **four)
    i, o, f, c = (body.put("Tanh" if gate is c else "Sigmoid", gate) for gate in (i, o, f, c))
    cell = body.put("Add", body.put("Mul", f, "c"), body.put("Mul", i, c))
    state = body.put("Mul", o, body.put("Tanh", cell))
    names = [body.put("Identity", each) for each in (state, cell, state)]
    graph = body.graph(["h", "c", "x"], names, size)
    way = {"scan_input_directions": [1], "scan_output_directions": [1]} if backwards else {}
    last, last_cell, every = made.several("Scan", 3, *states, x, body=graph, num_scan_inputs=1, **way)
    return every, last, last_cell


def _of_direction(made: Expansion, indices: tuple[int, int, int], d: int) -> tuple[str, str, str]:
    """Return a direction's weight, scale and zero point."""
    weight, scale, zero = (made.array(i) for i in indices)
    if weight.ndim != 3 or scale.ndim not in (1, 2) or zero.ndim not in (1, 2):
        raise NotExpandedError
    return made.constant(weight[d]), made.constant(scale[d]), made.constant(zero[d])


def _product(body: Expansion | _Body, given: list[str], weight: str, scale: str, zero: str) -> str:
    """Return what has been quantized times a weight, in float32."""
    number, step, offset = given
    product = body.put("Cast", body.put("MatMulInteger", number, weight, offset, zero), to=_FLOAT)
    return body.put("Mul", product, body.put("Mul", step, scale))


def _state(made: Expansion, index: int, d: int, size: int) -> str:
    """Return a direction's first state, which is zero where none is given."""
    if made.has(index):
        return made.put("Gather", made.of(index), made.constant(np.int64(d)), axis=0)
    batch = made.put("Gather", made.put("Shape", made.of(0)), made.constant(np.array([1])), axis=0)
    shape = made.put("Concat", batch, made.constant(np.array([size])), axis=0)
    return made.put("ConstantOfShape", shape)


class _Body:
    """The nodes of one step, which are named as those around it are."""

    def __init__(self, made: Expansion) -> None:
        self.nodes: list[Any] = []
        self._made = made

    def put(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        return self.several(op_type, 1, *inputs, **attributes)[0]

    def several(self, op_type: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        outputs = self._made.several(op_type, count, *inputs, **attributes)
        self.nodes.append(self._made.nodes.pop())
        return outputs

    def graph(self, inputs: list[str], outputs: list[str], size: int) -> Any:
        import onnx

        sizes = {"x": 4 * size}
        given = [
            onnx.helper.make_tensor_value_info(name, _FLOAT, [None, sizes.get(name, size)]) for name in inputs
        ]
        made = [onnx.helper.make_tensor_value_info(name, _FLOAT, [None, size]) for name in outputs]
        return onnx.helper.make_graph(self.nodes, "step", given, made)
