"""Recurrent layers: written out, with gates in another order, in two directions."""

import numpy as np
import torch
from torch import nn

from .cases import Case, both, moved, same
from .torch_nets import net, p

SIZE, GIVEN = 4, 3


def layer(cls, **words):
    def forward(self, x):
        return torch.tanh(self.head(self.rnn(x)[0]))

    directions = 2 if words.get("bidirectional") else 1
    return lambda: net(
        forward, rnn=cls(GIVEN, SIZE, batch_first=True, **words), head=nn.Linear(directions * SIZE, 2)
    )


def two_layers(first, second):
    def forward(self, x):
        x, _ = getattr(self, first)(x)
        return self.head(getattr(self, second)(x)[0])

    return lambda: net(
        forward,
        one=nn.LSTM(SIZE, SIZE, batch_first=True),
        two=nn.LSTM(SIZE, SIZE, batch_first=True),
        head=nn.Linear(SIZE, 2),
    )


def lstm_written_out(order, one_bias):
    """An LSTM step by step, with its gates in this order, and with one bias or two."""

    def forward(self, x):
        hidden = cell = x.new_zeros(len(x), SIZE)
        found = []
        for step in x.unbind(1):
            gates = step @ self.w.T + hidden @ self.u.T + self.b
            gates = gates if one_bias else gates + self.d
            gate = dict(zip(order, gates.chunk(4, -1), strict=True))
            cell = torch.sigmoid(gate["f"]) * cell + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
            hidden = torch.sigmoid(gate["o"]) * torch.tanh(cell)
            found.append(hidden)
        return torch.tanh(self.head(torch.stack(found, 1)))

    more = {} if one_bias else {"d": p(4 * SIZE)}
    return lambda: net(
        forward, head=nn.Linear(SIZE, 2), **more, b=p(4 * SIZE), u=p(4 * SIZE, SIZE), w=p(4 * SIZE, GIVEN)
    )


def gru_written_out(order):
    def forward(self, x):
        hidden = x.new_zeros(len(x), SIZE)
        found = []
        for step in x.unbind(1):
            given = dict(zip(order, (step @ self.w.T + self.b).chunk(3, -1), strict=True))
            kept = dict(zip(order, (hidden @ self.u.T + self.d).chunk(3, -1), strict=True))
            reset = torch.sigmoid(given["r"] + kept["r"])
            update = torch.sigmoid(given["z"] + kept["z"])
            new = torch.tanh(given["n"] + reset * kept["n"])
            hidden = (1 - update) * new + update * hidden
            found.append(hidden)
        return torch.tanh(self.head(torch.stack(found, 1)))

    return lambda: net(
        forward,
        d=p(3 * SIZE),
        b=p(3 * SIZE),
        u=p(3 * SIZE, SIZE),
        w=p(3 * SIZE, GIVEN),
        head=nn.Linear(SIZE, 2),
    )


def gates(before, after):
    """Return what puts blocks in this order of gates into that order."""
    places = [before.index(gate) for gate in after]
    return lambda array: np.concatenate([np.split(array, len(before))[place] for place in places])


def as_lstm(order, one_bias):
    turned = gates("ifgo", order)

    def truth(t):
        first, second = (turned(t[f"rnn.bias_{one}_l0"]) for one in ("ih", "hh"))
        biases = {"b": first + second} if one_bias else {"b": first, "d": second}
        return {"w": turned(t["rnn.weight_ih_l0"]), "u": turned(t["rnn.weight_hh_l0"]), **biases}

    return both(truth, moved(head="head"))


def from_steps(order):
    """An LSTM has a second bias, which nothing says: zeros."""
    turned = gates(order, "ifgo")

    def truth(t):
        names = {"weight_ih_l0": "w", "weight_hh_l0": "u", "bias_ih_l0": "b"}
        found = {f"rnn.{b}": turned(t[a]) for b, a in names.items()}
        return {**found, "rnn.bias_hh_l0": np.zeros_like(t["b"])}

    return both(truth, moved(head="head"))


def as_gru(order):
    turned = gates("rzn", order)
    names = {"w": "weight_ih_l0", "u": "weight_hh_l0", "b": "bias_ih_l0", "d": "bias_hh_l0"}
    return both(lambda t: {b: turned(t[f"rnn.{a}"]) for b, a in names.items()}, moved(head="head"))


def biases(path="rnn", suffixes=("l0",)):
    return frozenset(f"{path}.bias_{one}_{suffix}" for one in ("ih", "hh") for suffix in suffixes)


CASES = [
    Case(
        "two LSTMs of one shape",
        two_layers("one", "two"),
        two_layers("two", "one"),
        ("2x3x4",),
        moved(one="two", two="one", head="head"),
        symmetric=biases("one") | biases("two"),
    ),
    Case(
        "an LSTM and its steps written out",
        layer(nn.LSTM),
        lstm_written_out("ifgo", False),
        ("2x3x3",),
        as_lstm("ifgo", False),
        symmetric=biases(),
    ),
    Case(
        "an LSTM and its steps with gates in another order",
        layer(nn.LSTM),
        lstm_written_out("iofg", False),
        ("2x3x3",),
        as_lstm("iofg", False),
        symmetric=biases(),
    ),
    Case(
        "an LSTM and its steps with one bias",
        layer(nn.LSTM),
        lstm_written_out("ifgo", True),
        ("2x3x3",),
        as_lstm("ifgo", True),
    ),
    Case(
        "an LSTM and its steps with one bias, and gates in another order",
        layer(nn.LSTM),
        lstm_written_out("gofi", True),
        ("2x3x3",),
        as_lstm("gofi", True),
    ),
    Case(
        "the steps of an LSTM with one bias and an LSTM",
        lstm_written_out("iofg", True),
        layer(nn.LSTM),
        ("2x3x3",),
        from_steps("iofg"),
    ),
    Case(
        "a GRU and its steps written out",
        layer(nn.GRU),
        gru_written_out("rzn"),
        ("2x3x3",),
        as_gru("rzn"),
    ),
    Case(
        "a GRU and its steps with gates in another order",
        layer(nn.GRU),
        gru_written_out("zrn"),
        ("2x3x3",),
        as_gru("zrn"),
    ),
    Case(
        "an LSTM in two directions",
        layer(nn.LSTM, bidirectional=True),
        layer(nn.LSTM, bidirectional=True),
        ("2x3x3",),
        same,
        symmetric=biases(suffixes=("l0", "l0_reverse")),
    ),
]
