"""Two things at once, each of which has its own cases: what one of them says must not hide the other."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations

from .cases import Case, moved
from .of_branches import block, merged
from .of_channels import concatenated
from .of_folding import folded, under
from .of_layouts import packed, packing, separate
from .of_recurrent import as_gru, as_lstm, biases, gru_written_out, layer, lstm_written_out
from .torch_nets import chain, conv, net, p

TOKENS, IMAGE = ("2x5x8",), ("2x4x6x6",)


def one_after(first, second, *, is_last=False):
    """Return what makes a network of two; `is_last` is whether it is defined from its end."""

    def forward(self, x):
        return self.late(self.early(x))

    def made():
        parts = {"early": first(), "late": second()}
        return net(forward, **dict(reversed(parts.items())) if is_last else parts)

    return made


def each(early, late):
    """Return the map of a network of two, of the maps of both."""
    truths = {"early": early, "late": late}
    return lambda t: {
        f"{path}.{name}": array
        for path, truth in truths.items()
        for name, array in truth(under(path, t)).items()
    }


def each_under(path, truth):
    """Return the map of what lies under a path, and of all else as it is."""
    return lambda t: {
        **{name: array for name, array in t.items() if not name.startswith(f"{path}.")},
        **{f"{path}.{name}": array for name, array in truth(under(path, t)).items()},
    }


def dense(given, returned, bias=True):
    return lambda: chain(one=nn.Linear(given, returned, bias=bias), act=nn.Tanh())


def zeros(returned):
    return lambda t: {**t, "one.bias": np.zeros(returned, np.float32)}


def weight_normed(size):
    return lambda: chain(one=parametrizations.weight_norm(nn.Linear(size, size)), act=nn.Tanh())


def without_norm(t):
    g, v = (t[f"one.parametrizations.weight.original{place}"] for place in (0, 1))
    return {"one.weight": g * v / np.sqrt((v**2).sum(1, keepdims=True)), "one.bias": t["one.bias"]}


def folding():
    return chain(conv=conv(4, 3, bias=False), bn=nn.BatchNorm2d(3), act=nn.ReLU())


def fold_of(t):
    return folded("conv", "bn", "conv", t)


def groups_written_out(self, x):
    found = F.instance_norm(x.reshape(len(x), 2, -1)).reshape(x.shape)
    return self.last(torch.relu(found * self.factor + self.added))


def groups():
    return chain(norm=nn.GroupNorm(2, 4), act=nn.ReLU(), last=conv(4, 4))


def of_groups(t):
    vectors = {"factor": t["norm.weight"], "added": t["norm.bias"]}
    return {**moved(last="last")(t), **{name: array.reshape(4, 1, 1) for name, array in vectors.items()}}


def square_folding():
    return chain(conv=conv(4, 4, bias=False), bn=nn.BatchNorm2d(4), act=nn.ReLU())


def turned(t):
    """Two branches concatenated the other way round: the head's inputs change places."""
    return {**t, "head.weight": np.concatenate(np.split(t["head.weight"], 2, 1)[::-1], 1)}


KEY_BIAS = frozenset({"early.k.bias"})

CASES = [
    Case(
        "attention head by head before a bias that the first side lacks",
        one_after(separate(), dense(8, 8, bias=False)),
        one_after(packed("kvq", True), dense(8, 8), is_last=True),
        TOKENS,
        each(packing("kvq", True), zeros(8)),
        partly=KEY_BIAS,
    ),
    Case(
        "a bias that the first side lacks before weight norm",
        one_after(dense(8, 8, bias=False), weight_normed(8)),
        one_after(dense(8, 8), dense(8, 8), is_last=True),
        TOKENS,
        each(zeros(8), without_norm),
    ),
    Case(
        "a bias that the first side lacks before an LSTM written out",
        one_after(dense(8, 3, bias=False), layer(nn.LSTM)),
        one_after(dense(8, 3), lstm_written_out("fgio", False), is_last=True),
        TOKENS,
        each(zeros(3), as_lstm("fgio", False)),
        symmetric=biases("late.rnn"),
    ),
    Case(
        "a GRU written out behind an LSTM written out",
        one_after(lambda: chain(lstm=layer(nn.LSTM)(), wide=nn.Linear(2, 3)), layer(nn.GRU)),
        one_after(
            lambda: chain(lstm=lstm_written_out("ogif", False)(), wide=nn.Linear(2, 3)),
            gru_written_out("nzr"),
            is_last=True,
        ),
        ("2x4x3",),
        each(each_under("lstm", as_lstm("ogif", False)), as_gru("nzr")),
        symmetric=biases("early.lstm.rnn"),
    ),
    Case(
        "a norm that is folded before branches concatenated the other way round",
        one_after(folding, concatenated((0, 1))),
        one_after(lambda: chain(conv=conv(4, 3), act=nn.ReLU()), concatenated((1, 0)), is_last=True),
        IMAGE,
        each(fold_of, turned),
    ),
    Case(
        "a norm that is folded before a norm of groups written out",
        one_after(square_folding, groups),
        one_after(
            lambda: chain(conv=conv(4, 4), act=nn.ReLU()),
            lambda: net(groups_written_out, last=conv(4, 4), added=p(4, 1, 1), factor=p(4, 1, 1)),
            is_last=True,
        ),
        IMAGE,
        each(fold_of, of_groups),
    ),
    Case(
        "branches that are added up before a norm of groups written out",
        one_after(lambda: block((3, 1), True), groups),
        one_after(
            lambda: chain(conv=conv(4, 4), act=nn.ReLU()),
            lambda: net(groups_written_out, last=conv(4, 4), added=p(4, 1, 1), factor=p(4, 1, 1)),
            is_last=True,
        ),
        IMAGE,
        each(merged("", "conv"), of_groups),
    ),
]
