"""Recurrent layers by their definition; MindSpore's own LSTM is further off on the CPU than roundings are."""

from collections.abc import Callable
from typing import Any

import mindspore
from mindspore import Parameter, Tensor, nn, ops

from .activations import expm1, sigmoid, softplus, tanh


def lstm_step(
    d: int,
    given: Tensor,
    states: list[Tensor],
    recurrence: Tensor,
    bias: Tensor | None,
    peepholes: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
) -> list[Tensor]:
    """Return hidden state and cell of a direction's inputs and the last ones."""
    size = recurrence.shape[-1]
    h, c = states
    gates = given + ops.matmul(h, recurrence[d].T)
    if bias is not None:
        gates = gates + bias[d, 4 * size :]
    i, o, f, g = (gates[:, n * size : (n + 1) * size] for n in range(4))
    p_i, p_o, p_f = (0.0 if peepholes is None else peepholes[d, n * size : (n + 1) * size] for n in range(3))
    first, second, third = activations[3 * d : 3 * d + 3]
    i, f = activated(first, i + p_i * c, clip), activated(first, f + p_f * c, clip)
    c = f * c + i * activated(second, g, clip)
    return [activated(first, o + p_o * c, clip) * activated(third, c, None), c]


def gru_step(
    d: int,
    given: Tensor,
    states: list[Tensor],
    recurrence: Tensor,
    bias: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
    reset_after: bool,
) -> list[Tensor]:
    """Return the hidden state of a direction's inputs and the last one."""
    size = recurrence.shape[-1]
    h = states[0]
    first, second = activations[2 * d : 2 * d + 2]
    x_z, x_r, x_n = (given[:, n * size : (n + 1) * size] for n in range(3))
    r_z, r_r, r_n = (recurrence[d, n * size : (n + 1) * size].T for n in range(3))
    b_z, b_r, b_n = (0.0 if bias is None else bias[d, n * size : (n + 1) * size] for n in range(3, 6))
    z = activated(first, x_z + ops.matmul(h, r_z) + b_z, clip)
    r = activated(first, x_r + ops.matmul(h, r_r) + b_r, clip)
    inner = r * (ops.matmul(h, r_n) + b_n) if reset_after else ops.matmul(r * h, r_n) + b_n
    return [(1 - z) * activated(second, x_n + inner, clip) + z * h]


def rnn_step(
    d: int,
    given: Tensor,
    states: list[Tensor],
    recurrence: Tensor,
    bias: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
) -> list[Tensor]:
    """Return the hidden state of a direction's inputs and the last one."""
    size = recurrence.shape[-1]
    total = given + ops.matmul(states[0], recurrence[d].T)
    if bias is not None:
        total = total + bias[d, size:]
    return [activated(activations[d], total, clip)]


def activation(name: str, alpha: float = 0.0, beta: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Return one of the activations that ONNX has for recurrent layers."""

    def function(x: Tensor) -> Tensor:
        if name == "hardsigmoid":
            return ops.clamp(alpha * x + beta, 0.0, 1.0)
        if name == "leakyrelu":
            return ops.where(x < 0, alpha * x, x)
        if name == "thresholdedrelu":
            return ops.where(x > alpha, x, ops.zeros_like(x))
        if name == "elu":
            return ops.where(x < 0, alpha * expm1(ops.minimum(x, 0.0)), x)
        if name == "affine":
            return alpha * x + beta
        if name == "scaledtanh":
            return alpha * tanh(beta * x)
        if name == "softsign":
            return x / (1 + ops.abs(x))
        return softplus(x)

    return function


def activated(name: str | Callable[[Tensor], Tensor], x: Tensor, clip: float | None) -> Tensor:
    """Return an activation of what is brought between bounds first."""
    x = x if clip is None else ops.clamp(x, -clip, clip)
    if not isinstance(name, str):
        return name(x)
    if name == "sigmoid":
        return sigmoid(x)
    return tanh(x) if name == "tanh" else ops.relu(x)


def recurrent(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    states: list[Tensor | None],
    size: int,
    backwards: bool,
    step: tuple[Any, ...],
) -> tuple[Tensor, ...]:
    """Run a step along the time of each direction; sequences that have ended keep their states.

    `step` is a function, and what it takes beside direction, inputs and states: no closure is compiled.
    One of no length has none: ONNX Runtime gives zeros for it, whatever its first state.

    Return all hidden states (time, direction, batch, features), and the last ones of every kind.
    """
    time, batch = x.shape[:2]
    every, last = [], []
    zeros = ops.zeros((batch, size), x.dtype)
    for d in range(weight.shape[0]):
        given = ops.matmul(x, weight[d].T)
        if bias is not None:
            given = given + bias[d, : weight.shape[1]]
        now = [zeros if s is None else s[d] for s in states]
        if lengths is not None:
            now = [ops.where((lengths > 0).reshape(-1, 1), s, zeros) for s in now]
        outputs = [zeros] * time
        for t in reversed(range(time)) if backwards or d == 1 else range(time):
            after = step[0](d, given[t], now, *step[1:])
            if lengths is None:
                now, outputs[t] = after, after[0]
            else:
                running = (lengths > t).reshape(-1, 1)
                now = [ops.where(running, a, b) for a, b in zip(after, now)]
                outputs[t] = ops.where(running, after[0], zeros)
        every.append(ops.stack(outputs))
        last.append(now)
    return ops.stack(every, 1), *(ops.stack(each) for each in zip(*last))


def parameter(*shape: int) -> Parameter:
    """Return a tensor of a checkpoint."""
    return Parameter(ops.zeros(shape, mindspore.float32))


class LSTM(nn.Cell):
    """Long short-term memory of one or two directions; gates in ONNX's order: input, output, forget, cell."""

    def __init__(
        self, input_size: int, hidden_size: int, direction: str = "forward", bias: bool = True
    ) -> None:
        super().__init__()
        count = 2 if direction == "bidirectional" else 1
        self.hidden_size, self.count, self.backwards = hidden_size, count, direction == "reverse"
        self.weight = parameter(count, 4 * hidden_size, input_size)
        self.recurrence = parameter(count, 4 * hidden_size, hidden_size)
        self.bias = parameter(count, 8 * hidden_size) if bias else None

    def construct(
        self, x: Tensor, h: Tensor | None = None, c: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return all hidden states (time, direction, batch, features), the last ones, and the last cells."""
        usual = ("sigmoid", "tanh", "tanh") * self.count
        step = (lstm_step, self.recurrence, self.bias, None, usual, None)
        return recurrent(x, self.weight, self.bias, lengths, [h, c], self.hidden_size, self.backwards, step)


class GRU(nn.Cell):
    """Gated recurrent units of one direction or two, their gates in ONNX's order: update, reset, new."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        direction: str = "forward",
        bias: bool = True,
        reset_after: bool = True,
    ) -> None:
        super().__init__()
        count = 2 if direction == "bidirectional" else 1
        self.hidden_size, self.count, self.backwards = hidden_size, count, direction == "reverse"
        self.reset_after = reset_after
        self.weight = parameter(count, 3 * hidden_size, input_size)
        self.recurrence = parameter(count, 3 * hidden_size, hidden_size)
        self.bias = parameter(count, 6 * hidden_size) if bias else None

    def construct(
        self, x: Tensor, h: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return all hidden states (time, direction, batch, features), and the last ones."""
        usual = ("sigmoid", "tanh") * self.count
        step = (gru_step, self.recurrence, self.bias, usual, None, self.reset_after)
        return recurrent(x, self.weight, self.bias, lengths, [h], self.hidden_size, self.backwards, step)


class RNN(nn.Cell):
    """Recurrent units of one direction or two, with tanh."""

    def __init__(
        self, input_size: int, hidden_size: int, direction: str = "forward", bias: bool = True
    ) -> None:
        super().__init__()
        count = 2 if direction == "bidirectional" else 1
        self.hidden_size, self.count, self.backwards = hidden_size, count, direction == "reverse"
        self.weight = parameter(count, hidden_size, input_size)
        self.recurrence = parameter(count, hidden_size, hidden_size)
        self.bias = parameter(count, 2 * hidden_size) if bias else None

    def construct(
        self, x: Tensor, h: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return all hidden states (time, direction, batch, features), and the last ones."""
        step = (rnn_step, self.recurrence, self.bias, ("tanh",) * self.count, None)
        return recurrent(x, self.weight, self.bias, lengths, [h], self.hidden_size, self.backwards, step)
