"""Recurrent layers as Flax has them, with a layer for each gate, and gates that mislead."""

import numpy as np
import torch
from torch import nn

from .cases import Case, both, moved
from .of_recurrent import GIVEN, SIZE, layer
from .torch_nets import net, p

STEPS = ("2x5x3",)


def gated(turned):
    """A GRU whose update gate is one minus the other's: its weights would have to change their sign."""

    def forward(self, x):
        hidden = x.new_zeros(len(x), SIZE)
        found = []
        for step in x.unbind(1):
            r, z, n = (step @ self.w.T + self.b).chunk(3, -1)
            to_r, to_z, to_n = (hidden @ self.u.T + self.d).chunk(3, -1)
            update = torch.sigmoid(z + to_z)
            update = 1 - update if turned else update
            hidden = (1 - update) * torch.tanh(n + torch.sigmoid(r + to_r) * to_n) + update * hidden
            found.append(hidden)
        return torch.tanh(self.head(torch.stack(found, 1)))

    parts = {"d": p(3 * SIZE), "b": p(3 * SIZE), "u": p(3 * SIZE, SIZE), "w": p(3 * SIZE, GIVEN)}
    return lambda: net(forward, **parts, head=nn.Linear(SIZE, 2))


def flax_gru():
    """Flax' GRU: a layer for each gate; of those of the hidden state only the last has a bias."""

    def forward(self, x):
        hidden = x.new_zeros(len(x), SIZE)
        found = []
        for step in x.unbind(1):
            reset = torch.sigmoid(self.ir(step) + self.hr(hidden))
            update = torch.sigmoid(self.iz(step) + self.hz(hidden))
            new = torch.tanh(self.i(step) + reset * self.hn(hidden))
            hidden = (1 - update) * new + update * hidden
            found.append(hidden)
        return torch.tanh(self.head(torch.stack(found, 1)))

    of_input = {name: nn.Linear(GIVEN, SIZE) for name in ("i", "ir", "iz")}
    of_hidden = {name: nn.Linear(SIZE, SIZE, bias=name == "hn") for name in ("hn", "hr", "hz")}
    return net(forward, **of_input, **of_hidden, head=nn.Linear(SIZE, 2))


def as_flax_gru(t):
    """Where two biases are added up, Flax has their sum."""
    of_input, of_hidden, first, second = (
        np.split(t[f"rnn.{name}_l0"], 3) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    found = {f"{name}.weight": array for name, array in zip(("ir", "iz", "i"), of_input, strict=True)}
    found |= {f"{name}.weight": array for name, array in zip(("hr", "hz", "hn"), of_hidden, strict=True)}
    biases = (first[0] + second[0], first[1] + second[1], first[2], second[2])
    return found | {f"{name}.bias": one for name, one in zip(("ir", "iz", "i", "hn"), biases, strict=True)}


def of_one_bias(t):
    """Nothing says which of two biases that are added up a value is to be in: the first gates' are zeros."""
    bias = t["rnn.bias_ih_l0"].copy()
    bias[: 2 * SIZE] = 0
    return {**t, "rnn.bias_ih_l0": bias}


def from_flax_gru(t):
    of_input, of_hidden = (
        np.concatenate([t[f"{name}.weight"] for name in names])
        for names in (("ir", "iz", "i"), ("hr", "hz", "hn"))
    )
    zeros = np.zeros_like(t["hn.bias"])
    return {
        "rnn.weight_ih_l0": of_input,
        "rnn.weight_hh_l0": of_hidden,
        "rnn.bias_ih_l0": np.concatenate([zeros, zeros, t["i.bias"]]),
        "rnn.bias_hh_l0": np.concatenate([t["ir.bias"], t["iz.bias"], t["hn.bias"]]),
    }


def flax_lstm():
    """Flax' LSTM: a layer for each gate, and biases with the hidden state alone."""

    def forward(self, x):
        hidden = cell = x.new_zeros(len(x), SIZE)
        found = []
        for step in x.unbind(1):
            gate = {one: self.given[one](step) + self.kept[one](hidden) for one in "ifgo"}
            cell = torch.sigmoid(gate["f"]) * cell + torch.sigmoid(gate["i"]) * torch.tanh(gate["g"])
            hidden = torch.sigmoid(gate["o"]) * torch.tanh(cell)
            found.append(hidden)
        return torch.tanh(self.head(torch.stack(found, 1)))

    given = nn.ModuleDict({name: nn.Linear(GIVEN, SIZE, bias=False) for name in "fgio"})
    kept = nn.ModuleDict({name: nn.Linear(SIZE, SIZE) for name in "fgio"})
    return net(forward, given=given, kept=kept, head=nn.Linear(SIZE, 2))


def as_flax_lstm(t):
    found = {}
    for at, gate in enumerate("ifgo"):
        part = {name: np.split(array, 4)[at] for name, array in t.items() if name.startswith("rnn.")}
        found[f"given.{gate}.weight"] = part["rnn.weight_ih_l0"]
        found[f"kept.{gate}.weight"] = part["rnn.weight_hh_l0"]
        found[f"kept.{gate}.bias"] = part["rnn.bias_ih_l0"] + part["rnn.bias_hh_l0"]
    return found


CASES = [
    Case(
        "a GRU whose gate is one minus the other's",
        gated(False),
        gated(True),
        STEPS,
        moved(head="head"),
        "no map",
        left_a=frozenset("bd"),
        left_b=frozenset("bd"),
    ),
    Case(
        "a GRU, and that of Flax",
        layer(nn.GRU),
        flax_gru,
        STEPS,
        both(as_flax_gru, moved(head="head")),
        given=of_one_bias,
    ),
    Case(
        "a GRU of Flax, and PyTorch's",
        flax_gru,
        layer(nn.GRU),
        STEPS,
        both(from_flax_gru, moved(head="head")),
    ),
    Case(
        "an LSTM, and that of Flax", layer(nn.LSTM), flax_lstm, STEPS, both(as_flax_lstm, moved(head="head"))
    ),
]
