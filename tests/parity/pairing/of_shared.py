"""One module that is called twice, beside others of its size; a GRU with matrices gate by gate, as Flax's."""

import numpy as np
import torch
from torch import nn

from .cases import Case, both, moved
from .torch_nets import net, p

SIZE, GIVEN = 4, 3


def twice(order):
    """A layer that is called twice, and another of its size that is called once, at one of three places."""

    def forward(self, x):
        x = self.stem(x)
        for name in order:
            x = torch.tanh(getattr(self, name)(x))
        return self.head(x)

    return lambda: net(
        forward,
        stem=nn.Linear(GIVEN, SIZE),
        **{name: nn.Linear(SIZE, SIZE) for name in sorted(set(order))},
        head=nn.Linear(SIZE, 2),
    )


def attention(is_packed):
    """Attention behind a layer that the one network knows by two names, and that is called twice."""

    def forward(self, x):
        x = x + self.places(x)
        q, k, v = self.qkv(x).chunk(3, -1) if is_packed else (self.q(x), self.k(x), self.v(x))
        x = x + torch.softmax(q @ k.transpose(1, 2), -1) @ v
        return self.head(x + self.places(x))

    def build():
        sizes = {"qkv": 3 * SIZE} if is_packed else dict.fromkeys("qkv", SIZE)
        layers = {name: nn.Linear(SIZE, size) for name, size in sizes.items()}
        made = net(forward, places=nn.Linear(SIZE, SIZE), **layers, head=nn.Linear(SIZE, 2))
        if is_packed:
            made.again = made.places
        return made

    return build


def with_qkv(t):
    return {
        f"{b}.{leaf}": np.concatenate([t[f"{name}.{leaf}"] for name in a])
        for a, b in (("qkv", "qkv"), (("places",), "again"))
        for leaf in ("weight", "bias")
    }


def gru(x, given, kept):
    """Return what a GRU returns, step by step, of functions that return r, z and n."""
    hidden = x.new_zeros(len(x), SIZE)
    found = []
    for step in x.unbind(1):
        (r, z, n), (to_r, to_z, to_n) = given(step), kept(hidden)
        update = torch.sigmoid(z + to_z)
        hidden = (1 - update) * torch.tanh(n + torch.sigmoid(r + to_r) * to_n) + update * hidden
        found.append(hidden)
    return torch.stack(found, 1)


def flax_gru():
    def forward(self, x):
        found = gru(
            x,
            lambda step: (
                step @ self.ir + self.ir_bias,
                step @ self.iz + self.iz_bias,
                step @ self.i + self.i_bias,
            ),
            lambda hidden: (hidden @ self.hr, hidden @ self.hz, hidden @ self.hn + self.hn_bias),
        )
        return torch.tanh(self.head(found))

    kernels = {name: p(GIVEN, SIZE) for name in ("i", "ir", "iz")} | {
        name: p(SIZE, SIZE) for name in ("hn", "hr", "hz")
    }
    biases = {f"{name}_bias": p(SIZE) for name in ("hn", "i", "ir", "iz")}
    return net(forward, **kernels, **biases, head=nn.Linear(SIZE, 2))


def packed_gru():
    def forward(self, x):
        n_bias = torch.cat((torch.zeros_like(self.n_bias), torch.zeros_like(self.n_bias), self.n_bias))
        found = gru(
            x,
            lambda step: (step @ self.w.T + self.b).chunk(3, -1),
            lambda hidden: (hidden @ self.u.T + n_bias).chunk(3, -1),
        )
        return torch.tanh(self.head(found))

    return net(
        forward,
        head=nn.Linear(SIZE, 2),
        n_bias=p(SIZE),
        b=p(3 * SIZE),
        u=p(3 * SIZE, SIZE),
        w=p(3 * SIZE, GIVEN),
    )


def packed(t):
    return {
        "w": np.concatenate([t["ir"].T, t["iz"].T, t["i"].T]),
        "u": np.concatenate([t["hr"].T, t["hz"].T, t["hn"].T]),
        "b": np.concatenate([t["ir_bias"], t["iz_bias"], t["i_bias"]]),
        "n_bias": t["hn_bias"],
    }


CASES = [
    Case(
        "queries, keys and values, which the other side packs, beside a layer with two names there",
        attention(False),
        attention(True),
        ("2x5x4",),
        both(with_qkv, moved(places="places", head="head")),
        partly=frozenset({"k.bias"}),
    ),
    Case(
        "a layer called twice, and another between its calls",
        twice(("x", "y", "x")),
        twice(("b", "a", "b")),
        ("4x3",),
        moved(stem="stem", x="b", y="a", head="head"),
    ),
    Case(
        "a layer called twice, then another, by names that are exchanged",
        twice(("x", "x", "y")),
        twice(("y", "y", "x")),
        ("4x3",),
        moved(stem="stem", x="y", y="x", head="head"),
    ),
    Case(
        "a layer called twice, before another and behind it",
        twice(("x", "x", "y")),
        twice(("x", "y", "y")),
        ("4x3",),
        moved(stem="stem", x="x", y="y", head="head"),
        verdict="no map",
    ),
    Case(
        "a layer called twice, and two of its size",
        twice(("x", "x")),
        twice(("x", "y")),
        ("4x3",),
        moved(stem="stem", head="head"),
        verdict="no map",
    ),
    Case(
        "two layers, and one of their size that is called twice",
        twice(("x", "y")),
        twice(("x", "x")),
        ("4x3",),
        moved(stem="stem", head="head"),
        verdict="no map",
    ),
    Case(
        "a GRU with a matrix for each gate, and packed",
        flax_gru,
        packed_gru,
        ("4x5x3",),
        both(packed, moved(head="head")),
    ),
]
