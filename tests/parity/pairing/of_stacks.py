"""Pairs with a stack of matrices, one for each head, on one side; what is added is a matrix there."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case
from .torch_nets import net, p

HEADS, WIDTH, HEAD = 2, 6, 3


def attention(self, x, queries, keys, values):
    scores = torch.softmax(queries @ keys.transpose(-1, -2), -1)
    return self.last(x + self.out((scores @ values).transpose(1, 2).flatten(2)))


def in_layers(packed):
    def forward(self, x):
        made = self.qkv(x).chunk(3, -1) if packed else (self.q(x), self.k(x), self.v(x))
        return attention(self, x, *(one.unflatten(-1, (HEADS, HEAD)).transpose(1, 2) for one in made))

    names = ("qkv",) if packed else ("v", "q", "k")
    layers = {name: nn.Linear(WIDTH, WIDTH * len(name)) for name in names}
    return lambda: net(forward, **layers, out=nn.Linear(WIDTH, WIDTH), last=nn.Linear(WIDTH, 3))


def in_stacks(together):
    """A stack for each of queries, keys and values, or one of all."""

    def forward(self, x):
        stacks = self.every if together else (self.queries, self.keys, self.values)
        added = (self.of_queries, self.of_keys, self.of_values)
        made = (x[:, None] @ one + bias[:, None] for one, bias in zip(stacks, added, strict=True))
        return attention(self, x, *made)

    shape = HEADS, WIDTH, HEAD
    stacks = {"every": p(3, *shape)} if together else {n: p(*shape) for n in ("values", "keys", "queries")}
    biases = {name: p(HEADS, HEAD) for name in ("of_keys", "of_values", "of_queries")}
    return lambda: net(forward, last=nn.Linear(WIDTH, 3), **biases, **stacks, out=nn.Linear(WIDTH, WIDTH))


def stacked(packed, together):
    def truth(t):
        kinds = ("weight", "bias")
        if packed:
            weights, biases = (np.split(t[f"qkv.{kind}"], 3) for kind in kinds)
        else:
            weights, biases = ([t[f"{name}.{kind}"] for name in "qkv"] for kind in kinds)
        stacks = [one.reshape(HEADS, HEAD, WIDTH).transpose(0, 2, 1) for one in weights]
        names = ("queries", "keys", "values")
        return {
            **({"every": np.stack(stacks)} if together else dict(zip(names, stacks, strict=True))),
            **{f"of_{name}": one.reshape(HEADS, HEAD) for name, one in zip(names, biases, strict=True)},
            **{f"{name}.{kind}": t[f"{name}.{kind}"] for name in ("out", "last") for kind in kinds},
        }

    return truth


def grouped(apart):
    """Queries of two heads that share a key; one network packs these, and has no layers."""

    def forward(self, x):
        if apart:
            queries, keys, values = self.q(x), self.k(x), self.v(x)
        else:
            queries, keys, values = (x @ self.packed.T).split((8, 4, 4), -1)
        queries = queries.unflatten(-1, (2, 4)).transpose(1, 2)
        found = F.scaled_dot_product_attention(queries, keys[:, None], values[:, None])
        found = found.transpose(1, 2).flatten(2)
        if apart:
            return self.last(torch.tanh(x + self.out(found)) * self.factor)
        return torch.tanh(x + found @ self.matrix) * self.vector @ self.other.T

    layers = {
        name: nn.Linear(8, size, bias=False) for name, size in (("out", 8), ("q", 8), ("k", 4), ("v", 4))
    }
    if apart:
        return lambda: net(forward, factor=p(8), **layers, last=nn.Linear(8, 3, bias=False))
    return lambda: net(forward, other=p(3, 8), matrix=p(8, 8), packed=p(16, 8), vector=p(8))


CASES = [
    Case(
        f"heads before their matrices, and {what}{' in one stack' * together}",
        in_layers(packed),
        in_stacks(together),
        ("2x5x6",),
        stacked(packed, together),
        **{"partly" if packed else "unproven": frozenset({"qkv.bias" if packed else "k.bias"})},
    )
    for what, packed, together in (
        ("layers apart", False, False),
        ("a packed layer", True, False),
        ("a packed layer", True, True),
    )
] + [
    Case(
        "queries packed with the one key that they share, beside a square matrix multiplied from the right",
        grouped(True),
        grouped(False),
        ("2x5x8",),
        lambda t: {
            "packed": np.concatenate([t["q.weight"], t["k.weight"], t["v.weight"]]),
            "matrix": t["out.weight"].T,
            "vector": t["factor"],
            "other": t["last.weight"],
        },
    )
]
