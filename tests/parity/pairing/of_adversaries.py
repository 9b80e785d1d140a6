"""Pairs made to mislead: names that say nothing, twins that differ a little, squares whose transpose fits.

In each the second network has its parts in another order and under other names, and what looks alike in both
is not the same part.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, both, moved, renamed
from .torch_nets import buffers, chain, conv, net, p

ROW, IMAGE = ("3x6",), ("2x3x6x6",)


def two_of(make, left=lambda x: x, right=lambda x: x, *, first="left", second="right"):
    """Two branches of one kind, summed: `left` and `right` are computed with what they return.

    Which of them is defined first, and which has which name, says nothing.
    """

    def forward(self, x):
        return self.out(torch.tanh(left(getattr(self, first)(x)) + right(getattr(self, second)(x))))

    def build():
        parts = {"left": make("left"), "right": make("right")}
        return net(forward, **parts, out=OUT[type(parts["left"])]())

    return build


OUT = {
    nn.Linear: lambda: nn.Linear(6, 4),
    nn.LayerNorm: lambda: nn.Linear(6, 4),
    nn.Conv2d: lambda: nn.Conv2d(6, 2, 1),
    nn.BatchNorm2d: lambda: nn.Conv2d(3, 2, 1),
}


def crossed(name, a, b, inputs, **words):
    """Return a case of two branches of which each has the other's name on the second side."""
    return Case(name, a, b, inputs, moved(left="right", right="left", out="out"), **words)


def alike(name, left, right):
    """Return a case of dense twins with whose results something else is computed."""
    dense = lambda _: nn.Linear(6, 6)  # noqa: E731
    return crossed(
        name,
        two_of(dense, left, right),
        two_of(dense, left, right, first="right", second="left"),
        ROW,
    )


def norms(first, second):
    epsilons = {first: 1e-5, second: 1e-3}
    return two_of(lambda name: nn.LayerNorm(6, eps=epsilons[name]), first=first, second=second)


def convs(first, second, words):
    which = {first: {}, second: words}
    return two_of(
        lambda name: nn.Conv2d(3, 6, 3, **{"padding": 1, **which[name]}), first=first, second=second
    )


def batch_norms(first, second):
    momenta = {first: 0.1, second: 0.01}
    return two_of(lambda name: nn.BatchNorm2d(3, momentum=momenta[name]), first=first, second=second)


SQUARE = ("q", "k", "v", "o", "up", "down")
SHUFFLED = dict(zip(SQUARE, ("p4", "p0", "p5", "p2", "p1", "p3"), strict=True))


def block(names, order):
    """A block of a transformer in which every matrix is square and of one shape."""

    def forward(self, x):
        of = {name: getattr(self, called) for name, called in names.items()}
        q, k, v = (of[one](x).unflatten(-1, (2, 4)).transpose(1, 2) for one in "qkv")
        x = x + of["o"](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + of["down"](F.gelu(of["up"](x)))

    return lambda: net(forward, **{names[name]: nn.Linear(8, 8, bias=False) for name in order})


def products(steps):
    """Square matrices, each multiplied from the left or from the right."""

    def forward(self, x):
        for name, is_right in steps:
            matrix = getattr(self, name)
            x = torch.tanh(x @ matrix if is_right else x @ matrix.T)
        return x

    return lambda: net(forward, **{name: p(6, 6) for name, _ in sorted(steps)})


def of_products(steps, others):
    pairs = list(zip(steps, others, strict=True))
    return lambda t: {other: t[name].T if a != b else t[name] for (name, a), (other, b) in pairs}


PRODUCTS = (("a", False), ("b", True), ("c", False), ("d", True))
OTHERS = (("c", False), ("a", False), ("d", True), ("b", True))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(6, 3, bias=False) for _ in range(3))
        self.o = nn.Linear(3, 6, bias=False)

    def forward(self, x):
        return self.o(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x)))


def heads(*names):
    return lambda: net(
        lambda self, x: self.last(x + sum(getattr(self, name)(x) for name in names)),
        last=nn.Linear(6, 2),
        **{name: Head() for name in names},
    )


class Gated(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one, self.two, self.three = (nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, x):
        return self.two(F.silu(self.one(x)) * self.three(x))


def routed(width, order, most=None):
    """Experts that a router weighs, all of them or the best; `order` is the place of each in the router."""

    def forward(self, x):
        weights = torch.softmax(self.router(x), -1)
        if most is not None:
            best = weights.topk(most, -1).indices
            weights = weights * torch.zeros_like(weights).scatter(-1, best, 1.0)
        found = torch.stack([self.experts[place](x) for place in order], 1)
        return (weights[..., None] * found).sum(1)

    return lambda: net(
        forward,
        router=nn.Linear(width, len(order), bias=False),
        experts=nn.ModuleList(Gated(width) for _ in order),
    )


def rerouted(order):
    """Return the map from experts in order to experts in this one."""
    return both(
        moved(router="router"), moved(**{f"experts__{n}": f"experts__{m}" for n, m in enumerate(order)})
    )


def averaged(count):
    return lambda: net(
        lambda self, x: self.last(sum(one(x) for one in self.experts) / count),
        last=nn.Linear(6, 2),
        experts=nn.ModuleList(Gated(6) for _ in range(count)),
    )


OF_EXPERTS = ("one.weight", "two.weight", "three.weight")


def siamese(order):
    def forward(self, x, y):
        first, second = (self.a, self.b) if order == "ab" else (self.b, self.a)
        return self.last(torch.tanh(first(x)) + torch.tanh(second(y)))

    return lambda: net(forward, a=nn.Linear(6, 6), b=nn.Linear(6, 6), last=nn.Linear(6, 2))


def with_spares(used, spare):
    def forward(self, x):
        return getattr(self, used[1])(torch.tanh(getattr(self, used[0])(x)))

    return lambda: net(forward, **{name: nn.Linear(6, 6) for name in sorted((*used, *spare))})


def used_twice(first, second):
    """Two matrices, of which one is used at two places."""

    def forward(self, x):
        one, two = getattr(self, first), getattr(self, second)
        return torch.tanh(torch.tanh(torch.tanh(x @ one) @ two) @ one)

    return lambda: net(forward, **{name: p(6, 6) for name in sorted((first, second))})


def called_twice(self, x):
    return self.last(torch.tanh(self.one(torch.tanh(self.one(x)))))


def two_copies(self, x):
    return self.last(torch.tanh(self.two(torch.tanh(self.one(x)))))


def table():
    places, sizes = torch.arange(5.0)[:, None], torch.arange(3.0)[None]
    angles = places / 100 ** (sizes / 3)
    return torch.cat([angles.sin(), angles.cos()], 1)


def with_table(kind):
    def forward(self, x):
        return self.two(torch.tanh(self.one(x) + (table().to(x.dtype) if kind == "code" else self.table)))

    def build():
        made = net(forward, two=nn.Linear(6, 2), one=nn.Linear(6, 6))
        return buffers(made, table=table()) if kind == "buffer" else made

    return build


def normalised(mean, **names):
    """What is taken from an image is a buffer, which no checkpoint of the other network has."""
    called = {"one": "one", "two": "two", **names}

    def forward(self, x):
        return getattr(self, called["two"])(torch.relu(getattr(self, called["one"])(x - self.mean)))

    return lambda: buffers(
        net(forward, **{called["one"]: conv(3, 4), called["two"]: conv(4, 2)}),
        mean=torch.full((3, 1, 1), mean),
    )


def frozen(names):
    def build():
        made = chain(**{names[0]: nn.Linear(6, 6), "act": nn.Tanh(), names[1]: nn.Linear(6, 6)})
        for parameter in getattr(made, names[0]).parameters():
            parameter.requires_grad_(False)
        return made

    return build


def directions(kind):
    def forward(self, x):
        if kind == "one layer":
            return self.head(self.rnn(x)[0])
        there, back = self.a(x)[0], self.b(x.flip(1))[0].flip(1)
        return self.head(torch.cat([there, back] if kind == "there first" else [back, there], -1))

    def build():
        head = nn.Linear(8, 2)
        if kind == "one layer":
            return net(forward, rnn=nn.LSTM(3, 4, batch_first=True, bidirectional=True), head=head)
        return net(forward, b=nn.LSTM(3, 4, batch_first=True), a=nn.LSTM(3, 4, batch_first=True), head=head)

    return build


LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def bilinear(self, x):
    return self.last(torch.tanh((x @ self.inner * x).sum(-1, keepdim=True) * x))


def two_bilinear(first, second):
    """One matrix between two inputs, and one that is the other way round."""

    def forward(self, x, y):
        one, two = getattr(self, first), getattr(self, second)
        return torch.tanh(x @ one) * y + torch.sin(x @ two.T) * y

    return lambda: net(forward, **{name: p(6, 6) for name in sorted((first, second))})


def skips(order):
    def forward(self, x):
        low = torch.relu(self.down(F.avg_pool2d(x, 2)))
        high = F.interpolate(low, scale_factor=2)
        kept = torch.relu(self.keep(x))
        return self.join(torch.cat([kept, high] if order == "kept first" else [high, kept], 1))

    return lambda: net(forward, join=conv(8, 2), down=conv(3, 4), keep=conv(3, 4))


def scales(names, order):
    """Vectors of one shape that scale, shift and bend."""

    def forward(self, x):
        factor, shift, slope, last = (getattr(self, name) for name in names)
        x = self.one(x) * factor + shift
        return torch.where(x > 0, x, x * slope) * last

    return lambda: net(forward, one=nn.Linear(6, 6, bias=False), **{names[place]: p(6) for place in order})


def two_outputs(order):
    def forward(self, x):
        x = torch.tanh(self.stem(x))
        return tuple(getattr(self, name)(x) for name in order)

    return lambda: net(forward, b=nn.Linear(6, 6), a=nn.Linear(6, 6), stem=nn.Linear(6, 6))


# what both add is added up
BIASES = frozenset({"left.bias", "right.bias"})
BIASES = frozenset({"left.bias", "right.bias"})

CASES = [
    alike("twins of which one counts 1.0001 times", lambda x: x, lambda x: 1.0001 * x),
    alike("twins of which one is bent by 1e-3", torch.relu, lambda x: F.leaky_relu(x, 1e-3)),
    alike("twins with the exact GELU and that of tanh", F.gelu, lambda x: F.gelu(x, approximate="tanh")),
    alike("twins of which one is clamped where few values are", lambda x: x, lambda x: x.clamp(-2.5, 2.5)),
    alike("twins of which one adds 1e-4", torch.tanh, lambda x: torch.tanh(x + 1e-4)),
    alike("twins with SiLU and hard SiLU", F.silu, F.hardswish),
    crossed(
        "norms that are twins but for epsilon",
        norms("left", "right"),
        norms("right", "left"),
        ROW,
        symmetric=BIASES,
    ),
    crossed(
        "convolutions that are twins but for what they pad with",
        convs("left", "right", {"padding_mode": "circular"}),
        convs("right", "left", {"padding_mode": "circular"}),
        IMAGE,
        symmetric=BIASES,
    ),
    crossed(
        "convolutions that are twins but for dilation",
        convs("left", "right", {"padding": 2, "dilation": 2}),
        convs("right", "left", {"padding": 2, "dilation": 2}),
        IMAGE,
        symmetric=BIASES,
    ),
    Case(
        "a block whose matrices are all square, under names p0 to p5",
        block({name: name for name in SQUARE}, SQUARE),
        block(SHUFFLED, ("v", "down", "q", "o", "up", "k")),
        ("2x5x8",),
        moved(**SHUFFLED),
    ),
    Case(
        "square matrices, some of which are multiplied from the right",
        products(PRODUCTS),
        products(OTHERS),
        ROW,
        of_products(PRODUCTS, OTHERS),
    ),
    Case(
        "heads that are summed, each in layers of its own",
        heads("h0", "h1", "h2"),
        heads("z", "x", "y"),
        ("2x5x6",),
        moved(h0="z", h1="x", h2="y", last="last"),
        symmetric=frozenset(f"h{n}.{leaf}.weight" for n in range(3) for leaf in "qkvo"),
    ),
    Case(
        "square experts in another order",
        routed(6, (0, 1, 2)),
        routed(6, (2, 0, 1)),
        ROW,
        rerouted((2, 0, 1)),
    ),
    Case(
        "as many square experts as their width, in another order",
        routed(4, (0, 1, 2, 3)),
        routed(4, (3, 1, 0, 2)),
        ("5x4",),
        rerouted((3, 1, 0, 2)),
    ),
    Case(
        "square experts of which the best two count, in another order",
        routed(6, (0, 1, 2, 3), 2),
        routed(6, (2, 0, 3, 1), 2),
        ("16x6",),
        rerouted((2, 0, 3, 1)),
    ),
    Case(
        "square experts that are averaged",
        averaged(3),
        averaged(3),
        ROW,
        moved(last="last", experts="experts"),
        symmetric=frozenset(f"experts.{n}.{leaf}" for n in range(3) for leaf in OF_EXPERTS),
    ),
    Case(
        "one layer for each of two inputs, exchanged",
        siamese("ab"),
        siamese("ba"),
        ("3x6", "3x6"),
        moved(a="b", b="a", last="last"),
    ),
    Case(
        "spare layers of the same shape, of which another one is spare",
        with_spares(("a", "b"), ("c",)),
        with_spares(("c", "a"), ("b",)),
        ROW,
        moved(a="c", b="a", c="b"),
        unproven=frozenset({"c.weight", "c.bias"}),
    ),
    Case(
        "a matrix used at two places, and one used once",
        used_twice("a", "b"),
        used_twice("b", "a"),
        ROW,
        renamed(a="b", b="a"),
    ),
    Case(
        "a table that is a buffer, and one that code computes",
        with_table("buffer"),
        with_table("code"),
        ("2x5x6",),
        moved(one="one", two="two"),
    ),
    Case(
        "a table that code computes, and one that is a buffer",
        with_table("code"),
        with_table("buffer"),
        ("2x5x6",),
        moved(one="one", two="two"),
    ),
    Case(
        "a mean in a buffer that the other side has otherwise",
        normalised(0.5),
        normalised(0.45, one="a", two="b"),
        IMAGE,
        moved(one="a", two="b"),
        "another graph",
        parting=("one", "a"),
        why="between the input and one",
    ),
    Case("a layer that is frozen", frozen(("a", "b")), frozen(("b", "a")), ROW, moved(a="b", b="a")),
    Case(
        "a layer of two directions, and two layers",
        directions("one layer"),
        directions("there first"),
        ("2x4x3",),
        lambda t: {
            **moved(head="head")(t),
            **{f"a.{n}_l0": t[f"rnn.{n}_l0"] for n in LSTM},
            **{f"b.{n}_l0": t[f"rnn.{n}_l0_reverse"] for n in LSTM},
        },
        symmetric=frozenset(f"rnn.bias_{n}_l0{end}" for n in ("ih", "hh") for end in ("", "_reverse")),
    ),
    Case(
        "two layers, and as many in the other direction first",
        directions("there first"),
        directions("back first"),
        ("2x4x3",),
        lambda t: {**t, "head.weight": np.concatenate(np.split(t["head.weight"], 2, 1)[::-1], 1)},
        symmetric=frozenset(f"{one}.bias_{n}_l0" for n in ("ih", "hh") for one in "ab"),
    ),
    Case(
        "two matrices between two inputs, one the other way round",
        two_bilinear("a", "b"),
        two_bilinear("b", "a"),
        ("3x6", "3x6"),
        renamed(a="b", b="a"),
    ),
    Case(
        "what is kept before what comes from below, and behind it",
        skips("kept first"),
        skips("high first"),
        ("2x3x6x6",),
        lambda t: {**t, "join.weight": np.concatenate(np.split(t["join.weight"], 2, 1)[::-1], 1)},
    ),
    Case(
        "four vectors of one shape that do different things",
        scales(("a", "b", "c", "d"), (0, 1, 2, 3)),
        scales(("c", "d", "b", "a"), (2, 0, 3, 1)),
        ROW,
        renamed(a="c", b="d", c="b", d="a", one__weight="one.weight"),
    ),
    Case(
        "two outputs of one shape, each of the other's name",
        two_outputs("ab"),
        two_outputs("ba"),
        ROW,
        moved(a="b", b="a", stem="stem"),
    ),
    Case(
        "one layer that is called twice, and two",
        lambda: net(called_twice, one=nn.Linear(6, 6), last=nn.Linear(6, 2)),
        lambda: net(two_copies, one=nn.Linear(6, 6), two=nn.Linear(6, 6), last=nn.Linear(6, 2)),
        ROW,
        moved(last="last"),
        "no map",
    ),
    crossed(
        "norms that are twins but for their momentum in training",
        batch_norms("left", "right"),
        batch_norms("right", "left"),
        IMAGE,
        symmetric=BIASES,
    ),
    Case(
        "norms that are twins but for their momentum, under their own names",
        batch_norms("left", "right"),
        batch_norms("left", "right"),
        IMAGE,
        dict,
        symmetric=BIASES,
    ),
    Case(
        "a matrix that is transposed without a difference",
        lambda: net(bilinear, inner=p(6, 6), last=nn.Linear(6, 2)),
        lambda: net(bilinear, last=nn.Linear(6, 2), inner=p(6, 6)),
        ROW,
        lambda t: dict(t),
    ),
]
