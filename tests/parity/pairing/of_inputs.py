"""Pairs with several inputs and outputs, with tokens and tables."""

import torch
from torch import nn

from .cases import Case, moved, same
from .torch_nets import conv, net, p


def two_in_two_out(self, image, side):
    x = torch.relu(self.bn(self.conv(image)))
    s = torch.tanh(self.side(side))
    x = x * s[:, :, None, None]
    return self.head(x.mean((2, 3))), self.boxes(x)


def named_outputs(self, image, side):
    scores, boxes = two_in_two_out(self, image, side)
    return {"scores": scores, "boxes": boxes}


PARTS = {
    "conv": lambda: conv(3, 4),
    "bn": lambda: nn.BatchNorm2d(4),
    "side": lambda: nn.Linear(5, 4),
    "head": lambda: nn.Linear(4, 2),
    "boxes": lambda: conv(4, 2, 1),
}


def of_parts(forward, *names):
    return lambda: net(forward, **{name: PARTS[name]() for name in names})


def two_heads(first, second):
    def forward(self, x):
        x = torch.tanh(self.body(x))
        return getattr(self, first)(x), getattr(self, second)(x)

    return lambda: net(forward, one=nn.Linear(6, 3), body=nn.Linear(5, 6), two=nn.Linear(6, 3))


def pair_of_inputs(first, second):
    """Two inputs of one shape, each with a layer of its own."""

    def forward(self, x, y):
        return self.out(torch.tanh(getattr(self, first)(x)) + torch.tanh(getattr(self, second)(y)))

    return lambda: net(forward, two=nn.Linear(5, 6), one=nn.Linear(5, 6), out=nn.Linear(6, 2))


def encode(self, tokens, kinds):
    places = torch.arange(tokens.shape[1])
    x = self.words(tokens) + self.kinds(kinds) + self.places(places)
    return self.head(torch.nn.functional.gelu(self.dense(self.norm(x))))


TABLES = {
    "words": lambda: nn.Embedding(13, 6),
    "kinds": lambda: nn.Embedding(2, 6),
    "places": lambda: nn.Embedding(7, 6),
    "norm": lambda: nn.LayerNorm(6),
    "dense": lambda: nn.Linear(6, 8),
    "head": lambda: nn.Linear(8, 3),
}


def tables(*names):
    return lambda: net(encode, **{name: TABLES[name]() for name in names})


def two_tables(first, second):
    """Two tables of one shape, which are read by two inputs."""

    def forward(self, x, y):
        return self.out(torch.cat([getattr(self, first)(x), getattr(self, second)(y)], -1))

    return lambda: net(forward, one=nn.Embedding(9, 4), two=nn.Embedding(9, 4), out=nn.Linear(8, 3))


def with_mask(order, mask):
    def forward(self, x):
        x = self.body(x)
        return getattr(self, order[0])(torch.tanh(x)), getattr(self, order[1])(x) + mask, x > 0, 0 * x

    return lambda: net(forward, body=nn.Linear(5, 6), two=nn.Linear(6, 3), one=nn.Linear(6, 3))


def factors(first, second):
    def forward(self, x):
        return self.out(getattr(self, first) * torch.tanh(self.one(x)) + getattr(self, second) * x)

    return lambda: net(forward, a=p(), b=p(), one=nn.Linear(6, 6), out=nn.Linear(6, 2))


MASK = torch.tensor([0.0, -torch.inf, 0.0])

CASES = [
    Case(
        "outputs of which one has infinities, one has truth values and one is zero",
        with_mask(("one", "two"), MASK),
        with_mask(("two", "one"), MASK),
        ("3x5",),
        moved(one="two", two="one", body="body"),
    ),
    Case(
        "parameters without axes",
        factors("a", "b"),
        factors("b", "a"),
        ("4x6",),
        moved(a="b", b="a", one="one", out="out"),
    ),
    Case(
        "complex outputs",
        lambda: net(lambda self, x: torch.fft.rfft(self.one(x)), one=nn.Linear(6, 6)),
        lambda: net(lambda self, x: torch.fft.rfft(self.two(x)), two=nn.Linear(6, 6)),
        ("4x6",),
        moved(one="two"),
    ),
    Case(
        "two inputs and two outputs",
        of_parts(two_in_two_out, "conv", "bn", "side", "head", "boxes"),
        of_parts(two_in_two_out, "boxes", "head", "side", "bn", "conv"),
        ("image=2x3x5x5", "side=2x5"),
        same,
    ),
    Case(
        "outputs in a tuple and in a dictionary",
        of_parts(two_in_two_out, "conv", "bn", "side", "head", "boxes"),
        of_parts(named_outputs, "boxes", "head", "side", "bn", "conv"),
        ("image=2x3x5x5", "side=2x5"),
        same,
    ),
    Case(
        "two outputs of layers of one shape",
        two_heads("one", "two"),
        two_heads("two", "one"),
        ("3x5",),
        moved(one="two", two="one", body="body"),
    ),
    Case(
        "two inputs of one shape",
        pair_of_inputs("one", "two"),
        pair_of_inputs("two", "one"),
        ("3x5", "3x5"),
        moved(one="two", two="one", out="out"),
    ),
    Case(
        "tokens, their kinds and their places",
        tables("words", "kinds", "places", "norm", "dense", "head"),
        tables("head", "dense", "norm", "places", "kinds", "words"),
        ("2x7:int64:0..13", "2x7:int64:0..2"),
        same,
    ),
    Case(
        "two tables of one shape",
        two_tables("one", "two"),
        two_tables("two", "one"),
        ("2x5:int64:0..9", "2x5:int64:0..9"),
        moved(one="two", two="one", out="out"),
    ),
]
