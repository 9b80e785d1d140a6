"""A map by the order of calls is taken where numbers bear it out, and nowhere else."""

import pytest
import torch
from torch import nn

import triport
from triport.parity.pairing import starting

from .cases import Case, moved, same
from .running import seeded, sides
from .torch_nets import conv, net, p

IMAGE = ("2x3x9x9",)


def in_turn(calls, epsilon=1e-5, bias=True):
    """Blocks with a norm each, called in this order and defined in the order of their names."""

    def forward(self, x):
        x = self.stem(x)
        for name in calls:
            layer, norm = getattr(self, name)
            x = torch.tanh(norm(layer(x)))
        return self.last(x)

    def block():
        return nn.ModuleList((conv(4, 4, bias=bias), nn.BatchNorm2d(4, eps=epsilon)))

    return lambda: net(
        forward, stem=conv(3, 4), **{name: block() for name in sorted(calls)}, last=conv(4, 2, 1)
    )


def beside(swap, factor):
    """Two layers that are given the same, called in one order or the other."""

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        if swap:
            other = self.other(x)
            one = self.one(x)
        else:
            one = self.one(x)
            other = self.other(x)
        return self.last(self.norm(one * torch.sigmoid(other) * factor))

    return lambda: net(
        forward,
        stem=conv(3, 4),
        one=conv(4, 4),
        other=conv(4, 4),
        norm=nn.BatchNorm2d(4, eps=1e-5 * factor),
        last=conv(4, 2, 1),
    )


def factors(names, epsilon=1e-5, bias=True):
    """Layers whose results are times vectors of the network's own, which are defined in this order."""

    def forward(self, x):
        x = self.stem(x)
        x = x + self.first[:, None, None] * torch.tanh(self.one(self.norm(x)))
        return self.last(x + self.second[:, None, None] * torch.tanh(self.other(x)))

    vectors = {name: p(4) for name in names}
    return lambda: net(
        forward,
        stem=conv(3, 4),
        **vectors,
        one=conv(4, 4, bias=bias),
        norm=nn.BatchNorm2d(4, eps=epsilon),
        other=conv(4, 4, bias=bias),
        last=conv(4, 2, 1),
    )


NAMES = ("first", "second")
BORNE_OUT = [
    Case(
        "vectors defined in another order, and another epsilon",
        factors(NAMES[::-1]),
        factors(NAMES, 1e-2),
        IMAGE,
        same,
    ),
    Case("biases that layers lack, beside vectors", factors(NAMES, bias=False), factors(NAMES), IMAGE, same),
    Case("the same, and another epsilon", factors(NAMES, bias=False), factors(NAMES, 1e-2), IMAGE, same),
    Case("the same calls", in_turn("abc"), in_turn("abc"), IMAGE, same),
    Case(
        "other names, and definitions in another order",
        in_turn("abc"),
        in_turn("bca"),
        IMAGE,
        moved(stem="stem", a="b", b="c", c="a", last="last"),
    ),
    Case("another epsilon", in_turn("abc"), in_turn("abc", 1e-2), IMAGE, same),
]
OTHERWISE = [
    Case("branches called in the other order", beside(False, 1), beside(True, 1), IMAGE, same),
    Case("and another epsilon", beside(False, 1), beside(True, 300), IMAGE, same),
]


def rows_are_right(case, found):
    values = seeded(sides(case)[0])
    got = found.names.forward(values)
    return all((got[name].reshape(-1) == one.reshape(-1)).all() for name, one in case.truth(values).items())


@pytest.mark.parametrize("case", BORNE_OUT, ids=str)
def test_no_rounds_are_needed(case, monkeypatch):
    def unexpected(*_):
        raise AssertionError("matched in rounds")

    monkeypatch.setattr(starting, "match_all", unexpected)
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    assert found.complete
    assert found.proven
    assert rows_are_right(case, found)


@pytest.mark.parametrize("case", OTHERWISE, ids=str)
def test_a_guess_that_is_wrong_is_not_proven(case):
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    assert not found.proven or rows_are_right(case, found)


def test_where_a_guess_is_wrong_the_right_map_is_found():
    case = OTHERWISE[0]
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    assert found.equal
    assert rows_are_right(case, found)
