"""Pairs in which something cannot be proven, is missing, or has another shape."""

import torch
from torch import nn

from .cases import Case, both, moved, same
from .torch_nets import chain, conv, net, p


def with_unused(*order):
    parts = {
        "one": nn.Linear(5, 6),
        "spare": nn.Linear(6, 6),
        "other": nn.Linear(6, 7),
        "two": nn.Linear(6, 3),
    }
    return lambda: net(
        lambda self, x: self.two(torch.tanh(self.one(x))), **{name: parts[name] for name in order}
    )


def scaled(first, second):
    """Blocks whose factor is zero when the network is new."""

    def forward(self, x):
        x = x + getattr(self, f"{first}_factor") * torch.tanh(getattr(self, first)(x))
        return x + getattr(self, f"{second}_factor") * torch.tanh(getattr(self, second)(x))

    return lambda: net(
        forward,
        **{name: nn.Linear(5, 5) for name in ("a", "b")},
        **{f"{name}_factor": nn.Parameter(torch.zeros(5)) for name in ("a", "b")},
    )


def zero_at_start(*names):
    made = chain(**{name: nn.Linear(5, 5) for name in names}, act=nn.Tanh())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    return made


def times_nothing(name):
    def forward(self, x):
        return self.two(torch.tanh(self.one(x)) + 0.0 * getattr(self, name)(x))

    return lambda: net(forward, **{name: nn.Linear(5, 6)}, one=nn.Linear(5, 6), two=nn.Linear(6, 2))


def dead(name):
    """A branch behind a ReLU that never lets anything through."""

    def forward(self, x):
        branch = torch.relu(-torch.relu(getattr(self, name)(x)))
        return self.two(torch.tanh(self.one(x)) + branch)

    return lambda: net(forward, one=nn.Linear(5, 6), two=nn.Linear(6, 2), **{name: nn.Linear(5, 6)})


def dropping(rate):
    return chain(one=nn.Linear(6, 8), act=nn.ReLU(), drop=nn.Dropout(rate), two=nn.Linear(8, 3)).train()


def layers(count, size=5):
    parts = {}
    for index in range(count):
        parts[f"l{index}"] = nn.Linear(size, size)
        parts[f"a{index}"] = nn.ReLU()
    return chain(**parts)


CASES = [
    Case(
        "parameters that no output depends on",
        with_unused("one", "spare", "other", "two"),
        with_unused("two", "other", "spare", "one"),
        ("3x5",),
        same,
        unproven=frozenset({"spare.weight", "spare.bias", "other.weight", "other.bias"}),
    ),
    Case(
        "parameters that no output depends on, on the second side alone",
        lambda: net(
            lambda self, x: self.two(torch.tanh(self.one(x))), one=nn.Linear(5, 6), two=nn.Linear(6, 3)
        ),
        with_unused("two", "other", "spare", "one"),
        ("3x5",),
        same,
        "no map",
        left_b=frozenset({"spare.weight", "spare.bias", "other.weight", "other.bias"}),
    ),
    Case(
        "factors that are zero at the start",
        scaled("a", "b"),
        scaled("b", "a"),
        ("3x5",),
        moved(a="b", b="a", a_factor="b_factor", b_factor="a_factor"),
    ),
    Case(
        "all parameters zero at the start",
        lambda: zero_at_start("i", "j", "k"),
        lambda: zero_at_start("k", "j", "i"),
        ("3x5",),
        moved(i="k", j="j", k="i"),
    ),
    Case(
        "a branch that is multiplied with nothing",
        times_nothing("nothing"),
        times_nothing("zero"),
        ("3x5",),
        moved(one="one", two="two", nothing="zero"),
        unproven=frozenset({"nothing.weight", "nothing.bias"}),
    ),
    Case(
        "a branch whose ReLU is dead",
        dead("dead"),
        dead("branch"),
        ("3x5",),
        moved(one="one", two="two", dead="branch"),
        unproven=frozenset({"dead.weight", "dead.bias"}),
    ),
    Case(
        "dropout in training mode",
        lambda: dropping(0.5),
        lambda: dropping(0.1),
        ("4x6",),
        same,
        training="dropout 0.5 in 1 layer of a, dropout 0.1 in 1 layer of b",
    ),
    Case(
        "dropout on one side alone",
        lambda: dropping(0.5),
        lambda: chain(one=nn.Linear(6, 8), act=nn.ReLU(), two=nn.Linear(8, 3)),
        ("4x6",),
        same,
        training="no dropout of b",
    ),
    Case(
        "a parameter of another shape",
        lambda: chain(one=nn.Linear(5, 6), act=nn.ReLU(), two=nn.Linear(6, 3)),
        lambda: chain(one=nn.Linear(5, 6), act=nn.ReLU(), two=nn.Linear(6, 4)),
        ("3x5",),
        moved(one="one"),
        "no map",
        left_a=frozenset({"two.weight", "two.bias"}),
        left_b=frozenset({"two.weight", "two.bias"}),
    ),
    Case(
        "a kernel of another size",
        lambda: chain(one=conv(3, 4), act=nn.ReLU(), two=conv(4, 4, 3)),
        lambda: chain(one=conv(3, 4), act=nn.ReLU(), two=conv(4, 4, 5)),
        ("2x3x6x6",),
        both(moved(one="one"), moved(two__bias="two.bias")),
        "no map",
        left_a=frozenset({"two.weight"}),
        left_b=frozenset({"two.weight"}),
    ),
    Case(
        "a layer that the second side lacks",
        lambda: chain(one=nn.Linear(5, 6), act=nn.ReLU(), more=nn.Linear(6, 6), two=nn.Linear(6, 3)),
        lambda: chain(one=nn.Linear(5, 6), act=nn.ReLU(), two=nn.Linear(6, 3)),
        ("3x5",),
        moved(one="one", two="two"),
        "no map",
        left_a=frozenset({"more.weight", "more.bias"}),
    ),
    Case(
        "one layer of four that the first side lacks",
        lambda: layers(3),
        lambda: layers(4),
        ("3x5",),
        lambda t: {},
        "no map",
    ),
    Case(
        "a parameter more, without a module",
        lambda: chain(one=nn.Linear(5, 5)),
        lambda: net(lambda self, x: self.one(x) * self.factor, one=nn.Linear(5, 5), factor=p(1)),
        ("3x5",),
        same,
        "no map",
        left_b=frozenset({"factor"}),
    ),
]
