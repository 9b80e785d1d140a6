"""Recurrent layers by their definition; MindSpore's own LSTM is further off on the CPU than roundings are."""

from collections.abc import Callable

from mindspore import Tensor, ops


def lstm(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    hidden: Tensor | None,
    cell: Tensor | None,
    peepholes: Tensor | None,
    direction: str,
    activations: tuple[str, ...],
    clip: float | None,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Return all hidden states (time, direction, batch, features), the last ones, and the last cells."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        h, c = states
        gates = given + ops.matmul(h, recurrence[d].T)
        if bias is not None:
            gates = gates + bias[d, 4 * size :]
        i, o, f, g = (gates[:, n * size : (n + 1) * size] for n in range(4))
        p_i, p_o, p_f = (
            0.0 if peepholes is None else peepholes[d, n * size : (n + 1) * size] for n in range(3)
        )
        first, second, third = activations[3 * d : 3 * d + 3]
        i, f = activated(first, i + p_i * c, clip), activated(first, f + p_f * c, clip)
        c = f * c + i * activated(second, g, clip)
        return [activated(first, o + p_o * c, clip) * activated(third, c, None), c]

    states = [hidden, cell]
    return recurrent_states(x, weight, bias, lengths, states, size, 4, direction, batch_first, step)


def gru(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    hidden: Tensor | None,
    direction: str,
    activations: tuple[str, ...],
    clip: float | None,
    batch_first: bool,
    reset_after: bool,
) -> tuple[Tensor, ...]:
    """Return all hidden states (time, direction, batch, features), and the last ones."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        (h,) = states
        first, second = activations[2 * d : 2 * d + 2]
        x_z, x_r, x_n = (given[:, n * size : (n + 1) * size] for n in range(3))
        r_z, r_r, r_n = (recurrence[d, n * size : (n + 1) * size].T for n in range(3))
        b_z, b_r, b_n = (0.0 if bias is None else bias[d, n * size : (n + 1) * size] for n in range(3, 6))
        z = activated(first, x_z + ops.matmul(h, r_z) + b_z, clip)
        r = activated(first, x_r + ops.matmul(h, r_r) + b_r, clip)
        inner = r * (ops.matmul(h, r_n) + b_n) if reset_after else ops.matmul(r * h, r_n) + b_n
        return [(1 - z) * activated(second, x_n + inner, clip) + z * h]

    return recurrent_states(x, weight, bias, lengths, [hidden], size, 3, direction, batch_first, step)


def rnn(
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    hidden: Tensor | None,
    direction: str,
    activations: tuple[str, ...],
    clip: float | None,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Return all hidden states (time, direction, batch, features), and the last ones."""
    size = recurrence.shape[-1]

    def step(d: int, given: Tensor, states: list[Tensor]) -> list[Tensor]:
        total = given + ops.matmul(states[0], recurrence[d].T)
        if bias is not None:
            total = total + bias[d, size:]
        return [activated(activations[d], total, clip)]

    return recurrent_states(x, weight, bias, lengths, [hidden], size, 1, direction, batch_first, step)


def activated(name: str, x: Tensor, clip: float | None) -> Tensor:
    """Return an activation of what is brought between bounds first."""
    x = x if clip is None else ops.clamp(x, -clip, clip)
    if name == "sigmoid":
        return 1 / (1 + ops.exp(-x))
    return ops.tanh(x) if name == "tanh" else ops.relu(x)


def recurrent_states(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    lengths: Tensor | None,
    states: list[Tensor | None],
    size: int,
    gates: int,
    direction: str,
    batch_first: bool,
    step: Callable[[int, Tensor, list[Tensor]], list[Tensor]],
) -> tuple[Tensor, ...]:
    """Run a step along the time of each direction; sequences that have ended keep their states."""
    if batch_first:
        x = x.swapaxes(0, 1)
        states = [None if s is None else s.swapaxes(0, 1) for s in states]
    time, batch = x.shape[:2]
    every, last = [], []
    zeros = ops.zeros((batch, size), x.dtype)
    for d in range(weight.shape[0]):
        given = ops.matmul(x, weight[d].T)
        if bias is not None:
            given = given + bias[d, : gates * size]
        now = [zeros if s is None else s[d] for s in states]
        backwards = direction == "reverse" or d == 1
        outputs = [zeros] * time
        for t in reversed(range(time)) if backwards else range(time):
            after = step(d, given[t], now)
            if lengths is None:
                now, outputs[t] = after, after[0]
            else:
                running = (lengths > t).reshape(-1, 1)
                now = [ops.where(running, a, b) for a, b in zip(after, now, strict=True)]
                outputs[t] = ops.where(running, after[0], zeros)
        every.append(ops.stack(outputs))
        last.append(now)
    ends = [ops.stack(each) for each in zip(*last, strict=True)]
    sequence = ops.stack(every, 1)
    if batch_first:
        return sequence.transpose(2, 0, 1, 3), *(e.swapaxes(0, 1) for e in ends)
    return sequence, *ends
