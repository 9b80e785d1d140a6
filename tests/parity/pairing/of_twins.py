"""Pairs with parameters that are exchangeable, and pairs with parameters that only look so."""

import torch
from torch import nn

from .cases import Case, both, moved, renamed, same
from .torch_nets import chain, conv, net, p


def merged(merge, outside=lambda self, x: x):
    """Return what builds two equal layers on one input, and merges what they return."""

    def build(*names):
        left, right = names
        return net(
            lambda self, x: outside(self, merge(getattr(self, left)(x), getattr(self, right)(x))),
            **{name: nn.Linear(5, 5) for name in names},
            out=nn.Linear(5, 5),
        )

    return build


def through_out(self, x):
    return self.out(torch.tanh(x))


def twins(name, merge, **words):
    build = merged(merge, through_out)
    return Case(
        name,
        lambda: build("left", "right"),
        lambda: build("x", "y"),
        ("3x5",),
        moved(left="x", right="y", out="out"),
        **words,
    )


LEFT_AND_RIGHT = frozenset({"left.weight", "left.bias", "right.weight", "right.bias"})


def symmetric(name, merge):
    return twins(name, merge, symmetric=LEFT_AND_RIGHT)


def concatenating(first, second):
    return lambda: net(
        lambda self, x: self.out(
            torch.tanh(torch.cat([getattr(self, first)(x), getattr(self, second)(x)], -1))
        ),
        right=nn.Linear(5, 4),
        left=nn.Linear(5, 4),
        out=nn.Linear(8, 3),
    )


def splitting(first, second):
    def forward(self, x):
        one, two = x.split(4, -1)
        return torch.tanh(getattr(self, first)(one)) + torch.tanh(getattr(self, second)(two))

    return lambda: net(forward, right=nn.Linear(4, 4), left=nn.Linear(4, 4))


def blocks(*names):
    def forward(self, x):
        return self.last(sum(getattr(self, name)(x) for name in names))

    parts = {name: chain(conv=conv(3, 4), bn=nn.BatchNorm2d(4), act=nn.ReLU()) for name in names}
    return net(forward, **parts, last=conv(4, 2))


IN_BLOCKS = ("conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def gated(which):
    """Two dense layers, of which one decides how much of the other comes through."""

    def forward(self, x):
        gate, value = (self.one, self.two) if which == "one" else (self.two, self.one)
        return self.out(torch.sigmoid(gate(x)) * value(x))

    return lambda: net(forward, one=nn.Linear(5, 6), two=nn.Linear(5, 6), out=nn.Linear(6, 2))


def factors(function, *names):
    """Two factors of which only those that are positive could change places."""

    def forward(self, x):
        first, second = (getattr(self, name) for name in names)
        return self.out(function(self.stem(x) * first) * second)

    parts = {name: p(6) for name in sorted(names)}
    return lambda: net(forward, stem=nn.Linear(6, 6), **parts, out=nn.Linear(6, 3))


def parallel(first, second, merge, layer=nn.Linear):
    """Two branches on one input, defined and called in this order, and merged in an order of its own."""

    def forward(self, x):
        found = {name: getattr(self, name)(x) for name in (first, second)}
        return self.out(merge(found["left"], found["right"]))

    parts = {name: layer(name) for name in (first, second)}
    return lambda: net(forward, **parts, out=layer("out"))


def near_twins(name, merge, inputs=("3x6",), layer=lambda name: nn.Linear(6, 6)):
    return Case(
        name,
        parallel("left", "right", merge, layer),
        parallel("right", "left", merge, layer),
        inputs,
        same,
    )


def dilated(name):
    """A layer that is dilated on the right."""
    if name == "out":
        return conv(5, 2, 1)
    return conv(3, 5, padding=2, dilation=2) if name == "right" else conv(3, 5)


CASES = [
    *(
        Case(
            f"factors around {function.__name__}",
            factors(function, "g", "h"),
            factors(function, "y", "x"),
            ("3x6",),
            both(moved(stem="stem", out="out"), renamed(g="y", h="x")),
        )
        for function in (torch.relu, torch.abs)
    ),
    near_twins("twins that are 1e-7 apart", lambda left, right: left.tanh() + right.tanh() * (1 + 1e-7)),
    near_twins("twins of which one ends at 30", lambda left, right: left + right.clamp(-30, 30)),
    near_twins(
        "twins of which one is dilated, on one pixel",
        lambda left, right: left.tanh() + right.tanh(),
        ("2x3x1x1",),
        dilated,
    ),
    symmetric("summed twins", lambda left, right: left + right),
    symmetric("multiplied twins", lambda left, right: left * right),
    symmetric("the larger of twins", torch.maximum),
    Case(
        "summed twins of two layers each",
        lambda: blocks("left", "right"),
        lambda: blocks("x", "y"),
        ("2x3x5x5",),
        moved(left="x", right="y", last="last"),
        symmetric=frozenset(f"{side}.{name}" for side in ("left", "right") for name in IN_BLOCKS),
    ),
    Case(
        "three summed twins",
        lambda: blocks("i", "j", "k"),
        lambda: blocks("x", "y", "z"),
        ("2x3x5x5",),
        moved(i="x", j="y", k="z", last="last"),
        symmetric=frozenset(f"{side}.{name}" for side in "ijk" for name in IN_BLOCKS),
    ),
    twins("twins of which one is taken from the other", lambda left, right: left - right),
    twins("twins with other factors", lambda left, right: 0.5 * left + 0.75 * right),
    twins("twins of which one goes through a ReLU", lambda left, right: left + torch.relu(right)),
    twins("twins of which one comes a step later", lambda left, right: left + right.roll(1, -1)),
    twins("twins, and a power of one", lambda left, right: left + right + right**3),
    Case(
        "twins concatenated in an order",
        concatenating("left", "right"),
        concatenating("left", "right"),
        ("3x5",),
        same,
    ),
    Case(
        "twins concatenated in the other order than they are defined in",
        concatenating("left", "right"),
        concatenating("right", "left"),
        ("3x5",),
        moved(left="right", right="left", out="out"),
    ),
    Case(
        "twins at different places of a split",
        splitting("left", "right"),
        splitting("right", "left"),
        ("3x8",),
        moved(left="right", right="left"),
    ),
    Case(
        "a gate and its value", gated("one"), gated("two"), ("3x5",), moved(one="two", two="one", out="out")
    ),
]
