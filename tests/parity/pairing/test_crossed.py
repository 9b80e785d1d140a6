"""Maps in which two branches, or two blocks of one matrix, have changed places: never proven.

With the wrong map all that parts has a true reason too, in a module on one side and in code on the other, or
in what code, or a module of the user's own, does with each block. The networks differ in a norm alone.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import triport
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.parity.pairing.parting import substituted

from .cases import Case, Truth, same
from .of_crossed import Own
from .running import feed_of, give, seeded, sides
from .test_pairs import wrong_rows
from .torch_nets import conv, net

IMAGE, ROW = ("2x3x8x8",), ("4x6",)


@dataclass(frozen=True)
class Crossed:
    """A pair whose right map is `right`, and the map `wrong` with which all that parts has a reason."""

    name: str
    a: Any
    b: Any
    inputs: tuple[str, ...]
    right: Truth
    wrong: Truth

    def __str__(self):
        return self.name


def exchanged(tensors):
    """Give each branch the other's weights."""
    turned = str.maketrans("01", "10")
    return {name.translate(turned): array for name, array in tensors.items()}


def branches(order, epsilon, functions, modules, in_modules):
    """Two branches with a function each, which a module does in some of them; called in this order."""

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        found = {}
        for at in order:
            y = getattr(self, f"one{at}")(x) * 2
            y = getattr(self, f"act{at}")(y) if at in in_modules else functions[at](y)
            found[at] = getattr(self, f"two{at}")(y)
        return self.last(torch.tanh(self.norm(found[0] + found[1])))

    parts = {}
    for at in order:
        parts |= {f"one{at}": conv(5, 5), f"two{at}": conv(5, 5)}
        parts |= {f"act{at}": modules[at]()} if at in in_modules else {}
    return net(forward, stem=conv(3, 5), **parts, norm=nn.BatchNorm2d(5, eps=epsilon), last=conv(5, 2, 1))


def slope(x):
    return F.leaky_relu(x, 0.1)


KINDS = {
    "slopes": ((torch.relu, slope), (nn.ReLU, lambda: nn.LeakyReLU(0.1))),
    "pools": (
        (lambda x: F.avg_pool2d(x, 3, 1, 1), lambda x: F.max_pool2d(x, 3, 1, 1)),
        (lambda: nn.AvgPool2d(3, 1, 1), lambda: nn.MaxPool2d(3, 1, 1)),
    ),
    "a class of its own": ((torch.relu, torch.abs), (nn.ReLU, lambda: Own(torch.abs))),
}


def one_alike(name, first, second, first_modules=(), second_modules=()):
    """Branches of which one differs, or both do, so that an exchange looks as true."""
    return Crossed(
        name,
        lambda: branches((0, 1), 1e-5, first, first_modules, (0, 1) if first_modules else ()),
        lambda: branches((1, 0), 1e-2, second, second_modules, (0, 1) if second_modules else ()),
        IMAGE,
        same,
        exchanged,
    )


def in_turn(kind, first, second):
    functions, modules = KINDS[kind]
    return Crossed(
        f"{kind}, in modules {first} and {second}",
        lambda: branches((0, 1), 1e-5, functions, modules, first),
        lambda: branches((1, 0), 1e-2, functions, modules, second),
        IMAGE,
        same,
        exchanged,
    )


class Blocks(nn.Module):
    def __init__(self, functions):
        super().__init__()
        self.functions = functions

    def forward(self, x):
        blocks = x.chunk(len(self.functions), 1)
        return torch.cat([each(one) for each, one in zip(self.functions, blocks, strict=True)], 1)


def packed(functions, epsilon, layer, is_module):
    """A matrix of blocks with a function each, in a module or in code, and a matrix that takes them all."""
    own = Blocks(functions)
    parts = {"own": own} if is_module else {}

    def forward(self, x):
        x = self.many(x)
        x = self.own(x) if is_module else own(x)
        return self.last(torch.tanh(self.norm(self.whole(x))))

    return net(
        forward, many=layer(0), **parts, whole=layer(1), norm=nn.GroupNorm(1, 5, eps=epsilon), last=layer(2)
    )


def dense(place):
    return nn.Linear(*((6, 12), (12, 5), (5, 3))[place])


def convolved(place):
    return conv(*((3, 12), (12, 5), (5, 2))[place])


def in_order(order):
    """Return the map that lays the blocks in this order."""

    def truth(tensors):
        found = dict(tensors)
        for name, axis in (("many.weight", 0), ("many.bias", 0), ("whole.weight", 1)):
            blocks = np.split(tensors[name], len(order), axis)
            found[name] = np.concatenate([blocks[at] for at in order], axis)
        return found

    return truth


def before_layers(order, epsilon):
    """A matrix whose blocks go through a function and a layer each."""

    def forward(self, x):
        blocks = dict(zip(order, self.many(x).chunk(2, -1), strict=True))
        found = (getattr(self, f"two{at}")(ALL[at](blocks[at])) for at in order)
        return self.last(torch.tanh(self.norm(sum(found))))

    parts = {f"two{at}": nn.Linear(5, 5) for at in order}
    return net(
        forward, many=nn.Linear(6, 10), **parts, norm=nn.LayerNorm(5, eps=epsilon), last=nn.Linear(5, 3)
    )


def halves(tensors):
    """Lay the blocks of the matrix the other way round."""
    return {
        name: np.concatenate(np.split(array, 2)[::-1]) if name.startswith("many") else array
        for name, array in tensors.items()
    }


ALL = (torch.relu, torch.abs, lambda x: 2 * x)


def of_blocks(name, order, layer, is_module=False, functions=ALL):
    return Crossed(
        f"blocks of {name}, laid {order}",
        lambda: packed([functions[at] for at in range(len(order))], 1e-5, layer, is_module),
        lambda: packed([functions[at] for at in order], 1e-1, layer, is_module),
        IMAGE if layer is convolved else ROW,
        in_order(order),
        same,
    )


BRANCHES = [
    *(in_turn(kind, *places) for kind in KINDS for places in (((0,), (1,)), ((0, 1), (0,)), ((0,), (0, 1)))),
]
SIMILAR = [
    one_alike("one branch alike, in modules", (), (), (nn.ReLU, nn.Tanh), (nn.GELU, nn.Tanh)),
    one_alike("one branch alike, in code", (torch.relu, torch.abs), (slope, torch.abs)),
    one_alike("no branch alike, in modules", (), (), (nn.ReLU, nn.Tanh), (nn.GELU, nn.SiLU)),
    one_alike("no branch alike, in code", (torch.relu, torch.abs), (slope, lambda x: 2 * x)),
]
BLOCKS = [
    Crossed(
        "blocks of a layer, each before a layer of its own",
        lambda: before_layers((0, 1), 1e-5),
        lambda: before_layers((1, 0), 1e-1),
        ROW,
        halves,
        exchanged,
    ),
    of_blocks("a dense layer", (1, 0), dense),
    of_blocks("a dense layer", (2, 0, 1), dense),
    of_blocks("a convolution", (1, 0), convolved),
    of_blocks("a layer before a module of its own", (2, 0, 1), dense, is_module=True),
    of_blocks(
        "a layer before a module that bends",
        (1, 0),
        dense,
        is_module=True,
        functions=(torch.tanh, torch.sigmoid),
    ),
]


def proven(case, truth):
    """Return whether a map is, when its values are given, by the rows of equal shapes or names."""
    a, b = sides(Case(case.name, case.a, case.b, case.inputs, case.right))
    values = seeded(a)
    give(a, values)
    moved = truth(values)
    give(b, moved)
    names = {
        second: next((first for first, one in values.items() if one is array), second)
        for second, array in moved.items()
    }
    rows = PairNames(tuple(PairRow((first,), (second,)) for second, first in names.items()))
    return substituted(a, b, rows, feed_of(a.network)).is_proof


def each(cases, quick=0):
    """Return the mark that runs a test on each of these, the first ones in the quick tests too."""
    found = [
        pytest.param(case, id=str(case), marks=[pytest.mark.slow] if place >= quick else [])
        for place, case in enumerate(cases)
    ]
    return pytest.mark.parametrize("case", found)


@each(BRANCHES, quick=2)
def test_the_right_map_of_branches_is_proven(case):
    assert proven(case, case.right)


@each(SIMILAR[:2])
def test_the_branch_that_differs_is_found(case):
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    assert found.proven
    assert not wrong_rows(Case(case.name, case.a, case.b, case.inputs, case.right), found)


@each(SIMILAR[2:], quick=1)
def test_what_could_be_either_is_not_proven(case):
    assert not proven(case, case.right)


@each([*BLOCKS, *SIMILAR, *BRANCHES], quick=len(BLOCKS) + 3)
def test_a_crossed_map_is_not(case):
    assert not proven(case, case.wrong)


@each([BRANCHES[0], BLOCKS[0], *BRANCHES[1:], *BLOCKS[1:], *SIMILAR], quick=2)
def test_the_pair_accepts_no_crossed_map(case):
    found = triport.pair(case.a(), case.b(), inputs=list(case.inputs))
    known = Case(case.name, case.a, case.b, case.inputs, case.right)
    assert not (found.complete and found.proven and wrong_rows(known, found))


def test_what_every_channel_gets_alike_may_differ():
    def build(function):
        return lambda: packed([function, function], 1e-5, dense, False)

    case = Crossed("another slope everywhere", build(torch.relu), build(slope), ROW, same, same)
    assert proven(case, same)


@pytest.mark.parametrize(("first", "second"), [*itertools.permutations([torch.relu, torch.abs], 2)])
def test_one_block_alone_may_differ(first, second):
    case = Crossed(
        "one block",
        lambda: packed([first, second], 1e-5, dense, False),
        lambda: packed([first, first], 1e-5, dense, False),
        ROW,
        same,
        same,
    )
    assert proven(case, same)
