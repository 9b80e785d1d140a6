"""Recurrent layers by their definition: computed weights, lengths, peepholes, other activations."""

from collections.abc import Callable

import torch
from torch import Tensor


def lstm_step(
    recurrence: Tensor,
    bias: Tensor | None,
    peepholes: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
) -> Callable[[int, Tensor, list[Tensor]], list[Tensor]]:
    """Return what makes hidden state and cell of a direction's inputs and the last ones."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        h, c = states
        gates = given + h @ recurrence[d].T
        if bias is not None:
            gates = gates + bias[d, 4 * size :]
        i, o, f, g = gates.split(size, dim=-1)
        p_i, p_o, p_f = (0, 0, 0) if peepholes is None else peepholes[d].split(size)
        first, second, third = (function_of(each) for each in activations[3 * d : 3 * d + 3])
        i, f = first(limited(i + p_i * c, clip)), first(limited(f + p_f * c, clip))
        c = f * c + i * second(limited(g, clip))
        return [first(limited(o + p_o * c, clip)) * third(c), c]

    return step


def gru_step(
    recurrence: Tensor,
    bias: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
    reset_after: bool,
) -> Callable[[int, Tensor, list[Tensor]], list[Tensor]]:
    """Return what makes the hidden state of a direction's inputs and the last one."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        (h,) = states
        first, second = (function_of(each) for each in activations[2 * d : 2 * d + 2])
        x_z, x_r, x_n = given.split(size, dim=-1)
        r_z, r_r, r_n = recurrence[d].split(size)
        b_z, b_r, b_n = (0, 0, 0) if bias is None else bias[d, 3 * size :].split(size)
        z = first(limited(x_z + h @ r_z.T + b_z, clip))
        r = first(limited(x_r + h @ r_r.T + b_r, clip))
        inner = r * (h @ r_n.T + b_n) if reset_after else (r * h) @ r_n.T + b_n
        return [(1 - z) * second(limited(x_n + inner, clip)) + z * h]

    return step


def rnn_step(
    recurrence: Tensor,
    bias: Tensor | None,
    activations: tuple[str | Callable[[Tensor], Tensor], ...],
    clip: float | None,
) -> Callable[[int, Tensor, list[Tensor]], list[Tensor]]:
    """Return what makes the hidden state of a direction's inputs and the last one."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        total = given + states[0] @ recurrence[d].T
        if bias is not None:
            total = total + bias[d, size:]
        return [function_of(activations[d])(limited(total, clip))]

    return step


def function_of(activation: str | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return an activation that may be stated by the name that PyTorch has for it."""
    return getattr(torch, activation) if isinstance(activation, str) else activation


def activation(name: str, alpha: float = 0.0, beta: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Return one of the activations that ONNX has for recurrent layers."""

    def function(x: Tensor) -> Tensor:
        if name == "hardsigmoid":
            return (alpha * x + beta).clamp(0, 1)
        if name == "leakyrelu":
            return torch.where(x < 0, alpha * x, x)
        if name == "thresholdedrelu":
            return torch.where(x > alpha, x, 0)
        if name == "elu":
            return torch.where(x < 0, alpha * torch.expm1(x), x)
        if name == "affine":
            return alpha * x + beta
        if name == "scaledtanh":
            return alpha * torch.tanh(beta * x)
        if name == "softsign":
            return x / (1 + x.abs())
        return torch.logaddexp(x, torch.zeros_like(x))

    return function


def limited(x: Tensor, clip: float | None) -> Tensor:
    """Return the input of an activation between bounds."""
    return x if clip is None else x.clamp(-clip, clip)


def recurrent(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    states: list[Tensor | None],
    size: int,
    backwards: bool,
    step: Callable[[int, Tensor, list[Tensor]], list[Tensor]],
) -> tuple[Tensor, ...]:
    """Run a step along the time of each direction; sequences that have ended keep their states.

    One of no length has none: ONNX Runtime gives zeros for it, whatever its first state.

    Return all hidden states (time, direction, batch, features), and the last ones of every kind.
    """
    time, batch = x.shape[:2]
    every, last = [], []
    for d in range(weight.shape[0]):
        given = x @ weight[d].T
        if bias is not None:
            given = given + bias[d, : weight.shape[1]]
        now = [x.new_zeros(batch, size) if s is None else s[d] for s in states]
        if lengths is not None:
            now = [torch.where((lengths > 0)[:, None], s, 0) for s in now]
        outputs = [x.new_zeros(batch, size)] * time
        for t in reversed(range(time)) if backwards or d == 1 else range(time):
            after = step(d, given[t], now)
            if lengths is None:
                now, outputs[t] = after, after[0]
            else:
                running = (t < lengths)[:, None]
                now = [torch.where(running, a, b) for a, b in zip(after, now, strict=True)]
                outputs[t] = torch.where(running, after[0], 0)
        every.append(torch.stack(outputs))
        last.append(now)
    return torch.stack(every, dim=1), *(torch.stack(each) for each in zip(*last, strict=True))
