"""Pairs made to mislead, of parts that nearly do the same, or the same in another way.

As in `of_adversaries.py` the second network has its parts in another order and under other names.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, both, moved, renamed
from .torch_nets import conv, net, p

ROW, IMAGE = ("3x6",), ("2x3x6x6",)


def of_rows(forward, order, **parts):
    """Return what builds a network with a last layer of its own, whose parts are defined in this order."""
    made = {**parts, "out": lambda: nn.Linear(6, 4)}
    return lambda: net(forward, **{name: made[name]() for name in (*order, "out")})


def dense():
    return nn.Linear(6, 6)


def matrix():
    return nn.Linear(6, 6, bias=False)


def near(first, second, more=1e-3):
    """Two branches of which the second counts a little more, in a sum that knows no order."""

    def forward(self, x):
        found = torch.stack((getattr(self, first)(x), getattr(self, second)(x)))
        return self.out(torch.tanh(found * (1 + more * torch.arange(2)[:, None, None])).square().sum(0))

    return of_rows(forward, ("left", "right"), left=dense, right=dense)


def odd(first, second):
    """Twins of which one is given everything with the other sign: with their biases they are none."""

    def forward(self, x):
        return self.out(getattr(self, first)(x) * getattr(self, second)(-x))

    return of_rows(forward, ("left", "right"), left=dense, right=dense)


class Lying(nn.Module):
    """A norm whose `bias` is what it is times, and whose `weight` is what it adds."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = p(6), p(6)

    def forward(self, x):
        return F.layer_norm(x, (6,)) * self.bias + self.weight


def with_norm(norm):
    return of_rows(
        lambda self, x: self.out(torch.tanh(self.norm(self.one(x)))), ("norm", "one"), norm=norm, one=dense
    )


def in_a_row(order):
    """Square matrices with nothing between them: another order is another network."""

    def forward(self, x):
        for name in order:
            x = getattr(self, name)(x)
        return self.out(torch.tanh(x))

    return of_rows(forward, sorted(order), **dict.fromkeys(order, matrix))


def factors(order):
    """Factors in a row, which may have each other's place."""

    def forward(self, x):
        for name in order:
            x = x * getattr(self, name)
        return self.out(torch.tanh(x))

    return of_rows(forward, sorted(order), **dict.fromkeys(order, lambda: p(6)))


def commuting(order):
    """Depthwise convolutions in a row, which may have each other's place."""

    def forward(self, x):
        for name in order:
            x = getattr(self, name)(x)
        return self.out(torch.tanh(x))

    convs = {name: nn.Conv2d(3, 3, 2, groups=3, bias=False) for name in sorted(order)}
    return lambda: net(forward, **convs, out=nn.Conv2d(3, 2, 1))


def mixers(tokens, channels):
    """As many tokens as channels, mixed by matrices of one shape."""

    def forward(self, x):
        x = x + torch.tanh(getattr(self, tokens)(x.transpose(1, 2))).transpose(1, 2)
        return self.out(x + torch.tanh(getattr(self, channels)(x)))

    return of_rows(forward, ("one", "two"), one=matrix, two=matrix)


def attention(q, k, over_queries=False, backward=False):
    """Attention of two heads; with its scores the other way round, or its heads in the other order."""

    def forward(self, x):
        of = (getattr(self, name)(x).unflatten(-1, (2, 3)).transpose(1, 2) for name in (q, k, "v"))
        queries, keys, values = of
        if over_queries:
            weights = torch.softmax(keys @ queries.mT, -2).mT
        else:
            weights = torch.softmax(queries @ keys.mT, -1)
        found = (weights @ values).transpose(1, 2)
        return self.out((found.flip(2) if backward else found).flatten(2))

    return of_rows(forward, ("a", "v", "b"), a=matrix, b=matrix, v=matrix)


def with_heads_turned(t):
    """The last layer is given the heads in the other order."""
    return {**t, "out.weight": np.concatenate(np.split(t["out.weight"], 2, 1)[::-1], 1)}


def low_rank(names, order):
    """A matrix and a product of two, all square."""
    whole, down, up = names

    def forward(self, x):
        of = {name: getattr(self, name) for name in names}
        return self.out(torch.tanh(of[whole](x) + of[up](of[down](x))))

    return of_rows(forward, order, **dict.fromkeys(names, matrix))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.two, self.one, self.out = dense(), dense(), nn.Linear(6, 4)
        self.two.weight, self.two.bias = self.one.weight, self.one.bias

    def forward(self, x):
        return self.out(torch.tanh(self.two(torch.tanh(self.one(x)))))


def shared_norm(names):
    def forward(self, x):
        x = torch.tanh(self.one(getattr(self, names[0])(x)))
        return self.out(torch.tanh(self.two(getattr(self, names[1])(x))))

    parts = {"one": dense, "two": dense, **dict.fromkeys(names, lambda: nn.LayerNorm(6))}
    return of_rows(forward, tuple(sorted(parts)), **parts)


def one_of_two(called, dead):
    """A layer that is called twice; one more whose result goes nowhere."""

    def forward(self, x):
        if dead:
            self.spare(x)
        first, second = called
        return self.out(torch.tanh(getattr(self, second)(torch.tanh(getattr(self, first)(x)))))

    parts = {"one": dense, "two": dense} | ({"spare": dense} if dead else {})
    used = {name: part for name, part in parts.items() if name in called or name == "spare"}
    return of_rows(forward, tuple(used), **used)


def turned_image(turns):
    """Square kernels, on images that one side has the other way round."""

    def forward(self, x):
        x = torch.tanh(self.one(x.mT).mT if turns else self.one(x))
        return self.out(torch.tanh(self.two(x)))

    return lambda: net(forward, two=conv(4, 4), one=conv(3, 4), out=conv(4, 2, 1))


def pointwise(names):
    """A convolution of 1x1 and a dense layer over channels that stand last."""

    def forward(self, x):
        x = torch.tanh(getattr(self, names[0])(x))
        return self.out(getattr(self, names[1])(x.permute(0, 2, 3, 1)))

    parts = {names[0]: nn.Conv2d(3, 3, 1), names[1]: nn.Linear(3, 3)}
    return lambda: net(forward, **{name: parts[name] for name in sorted(parts)}, out=nn.Linear(3, 2))


BOTH = frozenset({"left.weight", "left.bias", "right.weight", "right.bias"})
CROSSED = moved(left="right", right="left", out="out")
CASES = [
    Case(
        "branches of which one counts 1.001 times in a sum of squares",
        near("left", "right"),
        near("right", "left"),
        ROW,
        CROSSED,
    ),
    Case(
        "branches that count alike in a sum of squares",
        near("left", "right", 0),
        near("right", "left", 0),
        ROW,
        CROSSED,
        symmetric=BOTH,
    ),
    Case(
        "twins of which one is given the other sign", odd("left", "right"), odd("right", "left"), ROW, CROSSED
    ),
    Case(
        "a norm whose weight is its bias",
        with_norm(lambda: nn.LayerNorm(6)),
        with_norm(Lying),
        ROW,
        both(renamed(norm__weight="norm.bias", norm__bias="norm.weight"), moved(one="one", out="out")),
    ),
    Case(
        "square matrices in a row with nothing between",
        in_a_row("abc"),
        in_a_row("cab"),
        ROW,
        moved(a="c", b="a", c="b", out="out"),
    ),
    Case(
        "factors in a row",
        factors(("a", "b")),
        factors(("b", "a")),
        ROW,
        moved(a="b", b="a", out="out"),
        symmetric=frozenset("ab"),
    ),
    Case(
        "depthwise convolutions in a row with nothing between",
        commuting("ab"),
        commuting("ba"),
        IMAGE,
        moved(a="b", b="a", out="out"),
        symmetric=frozenset({"a.weight", "b.weight"}),
    ),
    Case(
        "as many tokens as channels",
        mixers("one", "two"),
        mixers("two", "one"),
        ("2x6x6",),
        moved(one="two", two="one", out="out"),
    ),
    Case(
        "queries and keys of one shape, with the scores the other way round",
        attention("a", "b"),
        attention("b", "a", over_queries=True),
        ("2x6x6",),
        moved(a="b", b="a", v="v", out="out"),
    ),
    Case(
        "heads in the other order",
        attention("a", "b"),
        attention("a", "b", backward=True),
        ("2x4x6",),
        with_heads_turned,
    ),
    Case(
        "a matrix and a product of two that are square",
        low_rank("abc", "abc"),
        low_rank("cab", "abc"),
        ROW,
        moved(a="c", b="a", c="b", out="out"),
    ),
    Case(
        "a layer called twice, and two with one weight",
        one_of_two(("one", "one"), False),
        Tied,
        ROW,
        both(moved(one="one"), moved(one="two"), moved(out="out")),
    ),
    Case(
        "a norm called twice, and two norms",
        shared_norm(("norm", "norm")),
        shared_norm(("norm", "other")),
        ROW,
        both(moved(norm="norm"), moved(norm="other"), moved(one="one", two="two", out="out")),
        "no map",
    ),
    Case(
        "a layer called twice beside a spare one, and two layers",
        one_of_two(("one", "one"), True),
        one_of_two(("one", "two"), False),
        ROW,
        moved(one="one", out="out"),
        "no map",
    ),
    Case(
        "a layer that comes first, and a spare one of its shape",
        one_of_two(("one", "two"), True),
        one_of_two(("two", "one"), True),
        ROW,
        moved(one="two", two="one", spare="spare", out="out"),
        unproven=frozenset({"spare.weight", "spare.bias"}),
    ),
    Case(
        "square kernels, of which one is given images the other way round",
        turned_image(False),
        turned_image(True),
        IMAGE,
        lambda t: {**t, "one.weight": np.swapaxes(t["one.weight"], 2, 3)},
    ),
    Case(
        "a convolution of 1x1, and a dense layer of its size",
        pointwise(("a", "b")),
        pointwise(("b", "a")),
        ("2x3x4x5",),
        moved(a="b", b="a", out="out"),
    ),
]
