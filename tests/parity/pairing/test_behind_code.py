"""What is proven of layers behind code that computes otherwise, and what must not be."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import triport
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.parity.pairing.parting import substituted

from .cases import Case, moved, same
from .nets_behind_code import (
    IMAGE,
    BranchesOfCells,
    EncodedCells,
    across,
    branches,
    deep,
    encoded,
    halved,
    in_cells,
    lengths,
    norm_of_means,
    of_encoded,
    resized,
    rounded,
    scaled,
    streams,
    two_sizes,
)
from .running import feed_of, give, seeded, sides
from .test_parting import rows_of, wrong_maps
from .torch_nets import conv, net, p

OF_CELLS = [
    Case(
        "a pool in code of a Cell",
        branches(False, act=torch.relu),
        BranchesOfCells,
        IMAGE,
        in_cells,
        mindspore=True,
    ),
    Case("an encoding that a Cell looks at", of_encoded, EncodedCells, ("2x7x5",), in_cells, mindspore=True),
]
RIGHT = [
    Case(
        "images of two sizes, resized in another way", two_sizes(False), two_sizes(True), ("2x3x8x8",), same
    ),
    Case("sums rounded to fewer bits", rounded(torch.float16), rounded(torch.float64), ("4x5",), same),
    *OF_CELLS,
    Case("an encoding added to what goes on, or not", encoded(True), encoded(False), ("2x7x5",), same),
    Case("layers behind halves", halved((0, 1, 1)), halved((0, 1, 1.5)), ("4x5",), same),
    Case("a sum with a vector, and more of one", scaled(0.0), scaled(0.3), ("4x5",), same),
    Case("a pool in code, before a branch", branches(True), branches(False), IMAGE, same),
    Case("a pool in code, before each of three equal layers", deep(True), deep(False), IMAGE, same),
    Case("the norm before the mean and after it", norm_of_means(True), norm_of_means(False), IMAGE, same),
    Case("queries and keys divided by their lengths", across(False), across(True), ("2x7x5",), same),
    Case(
        "the same, and places encoded once",
        across(True, once=True),
        across(False),
        ("2x7x5",),
        same,
    ),
    Case("an image resized otherwise", resized("bilinear"), resized("bicubic"), ("2x3x7x7",), same),
]

# it has hundreds of wrong maps that fit; below is one
STREAMS = Case("an encoding in two streams", streams(True), streams(False), ("2x8x5",), same)


def run(case, names=None):
    a, b = sides(case)
    values = seeded(a)
    names = names or rows_of(a, case.truth)
    give(a, values)
    give(b, names.forward(values))
    return substituted(a, b, names, feed_of(a.network))


@pytest.mark.parametrize("case", [*RIGHT, STREAMS], ids=str)
def test_the_right_map_is_proven(case):
    found = run(case)
    assert found.is_proof
    assert "outside of modules" in found.first.why


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_no_wrong_map_is(case):
    for names, wrong in wrong_maps(case):
        assert not run(case, names).is_proof, wrong


@pytest.mark.parametrize("case", [*RIGHT, STREAMS], ids=str)
def test_the_pair_has_the_right_map(case):
    a, b = case.a(), case.b()
    found = triport.pair(a, b, inputs=list(case.inputs))
    assert found.complete
    assert found.proven
    assert not found.equal
    values = seeded(sides(case)[0])
    truth = case.truth(values)
    moved_by_rows = found.names.forward(values)
    assert all((moved_by_rows[name].reshape(-1) == truth[name].reshape(-1)).all() for name in truth)


def halves(swap):
    """Code that exchanges the halves of the channels, beside another pool."""

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        x = F.max_pool2d(x, 2) if swap else F.avg_pool2d(x, 2)
        return self.last(torch.cat(x.chunk(2, 1)[::-1], 1) if swap else x)

    return lambda: net(forward, stem=conv(3, 6), last=conv(6, 4, 1))


def flattened(order, pool):
    def forward(self, x):
        return self.head(pool(torch.tanh(self.stem(x)), 3).permute(order).flatten(1))

    return lambda: net(forward, stem=conv(3, 6), head=nn.Linear(54, 4))


def concatenated(swap):
    """Two layers that are given the same, in another order, behind which code rounds otherwise."""

    def forward(self, x):
        one, other = self.one(x), self.other(x)
        x = torch.cat((other, one) if swap else (one, other), 1)
        return self.last(F.gelu(x) if swap else F.gelu(x, approximate="tanh") * 1.1)

    return lambda: net(forward, one=conv(3, 4), other=conv(3, 4), last=conv(8, 4, 1))


def parallel(slope):
    """Two layers of one size behind code that gives each something else."""

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        return self.last(
            torch.tanh(self.one(F.leaky_relu(x, slope)) + self.other(torch.cos(x) * (1 + slope)))
        )

    return lambda: net(forward, stem=conv(3, 6), one=conv(6, 6), other=conv(6, 6), last=conv(6, 4, 1))


def attention(scaled, order=(0, 1, 2)):
    """Attention in code, of what one layer packs in an order that nothing but the code tells."""

    def forward(self, x):
        q, k, v = (self.qkv(x).chunk(3, -1)[place] for place in order)
        weights = q @ k.transpose(1, 2) * (0.3 if scaled else 0.9)
        return self.head(self.out(weights.softmax(-1) @ v) + x)

    return lambda: net(forward, qkv=nn.Linear(6, 18), out=nn.Linear(6, 6), head=nn.Linear(6, 3))


def factors(swap):
    """Two factors of one size, in branches that code adds up and then squeezes."""

    def forward(self, x):
        one, other = torch.tanh(self.one(x)), torch.tanh(self.other(x))
        first, second = (self.second, self.first) if swap else (self.first, self.second)
        return self.last((one * first + other * second) * (1.3 if swap else 1))

    return lambda: net(
        forward, one=nn.Linear(5, 6), other=nn.Linear(5, 6), first=p(6), second=p(6), last=nn.Linear(6, 3)
    )


def weighted(swap, power=1):
    """Two layers that are given the same, of which code adds up the one once and the other twice."""

    def forward(self, x):
        one, other = self.one(x), self.other(x)
        return self.last((2 * other + one if swap else 2 * one + other) * power)

    return lambda: net(forward, one=nn.Linear(5, 6), other=nn.Linear(5, 6), last=nn.Linear(6, 3))


def directions(swap):
    """Two vectors of which code takes the directions, in branches of other sizes that it adds up."""

    def forward(self, x):
        one, other = self.one(x), self.other(x[:, :4])
        first, second = (self.second, self.first) if swap else (self.first, self.second)
        return self.last((one * F.normalize(first, dim=0) + other * F.normalize(second, dim=0)) * (1 + swap))

    parts = {"one": nn.Linear(5, 6), "other": nn.Linear(4, 6), "first": p(6), "second": p(6)}
    return lambda: net(forward, **parts, last=nn.Linear(6, 3))


def sums(swap):
    """Two layers of one size behind sums of the same values, of which the second network has more."""

    def forward(self, x):
        first = self.stem(x)
        second = self.body(torch.tanh(first))
        one, other = (self.other, self.one) if swap else (self.one, self.other)
        more = 1.4 if swap else 1
        return self.last(torch.tanh(one(first * more + second)) + other((first + second) * more) ** 2)

    return lambda: net(
        forward,
        stem=nn.Linear(5, 6),
        body=nn.Linear(6, 6, bias=False),
        one=nn.Linear(6, 6),
        other=nn.Linear(6, 6),
        last=nn.Linear(6, 3),
    )


# by names, which the second network does not keep to
WRONG = [
    Case("halves of channels exchanged", halves(False), halves(True), ("2x3x8x8",), same),
    Case(
        "flattened in another order",
        flattened((0, 1, 2, 3), F.avg_pool2d),
        flattened((0, 2, 3, 1), F.max_pool2d),
        ("2x3x9x9",),
        same,
    ),
    Case("concatenated in another order", concatenated(False), concatenated(True), IMAGE, same),
    Case(
        "two layers of one size exchanged",
        parallel(0.1),
        parallel(0.3),
        IMAGE,
        moved(stem="stem", one="other", other="one", last="last"),
    ),
    Case("q, k and v in another order", attention(True), attention(False, (1, 0, 2)), ("2x7x6",), same),
    Case("q, k and v in a third order", attention(True), attention(False, (2, 1, 0)), ("2x7x6",), same),
    Case("q and k divided, in another order", across(True), across(False, (1, 0, 2)), ("2x7x5",), same),
    Case("q and v divided, in another order", across(False), across(True, (2, 1, 0)), ("2x7x5",), same),
    Case("lengths in another order", lengths(False), lengths(True, 2), ("2x7x5",), same),
    Case("layers that are added once and twice exchanged", weighted(False), weighted(True), ("4x5",), same),
    Case("the same, beside a factor", weighted(False), weighted(True, 1.5), ("4x5",), same),
    Case("directions exchanged", directions(False), directions(True), ("4x5",), same),
    Case("layers behind sums exchanged", sums(False), sums(True), ("4x5",), same),
    Case("layers behind halves exchanged", halved((0, 1, 1)), halved((1, 0, 1.5)), ("4x5",), same),
    Case(
        "blocks in another order",
        encoded(True),
        encoded(False, ("second", "first", "third")),
        ("2x7x5",),
        same,
    ),
    Case(
        "blocks of two streams exchanged",
        streams(True),
        streams(False, ("two", "one", "three", "four")),
        ("2x8x5",),
        same,
    ),
    Case("factors exchanged", factors(False), factors(True), ("4x5",), same),
    Case("branches that change their places", branches(True), branches(False, swap=True), IMAGE, same),
    Case(
        "equal layers in another order",
        deep(True),
        deep(False, ("second", "first", "third")),
        IMAGE,
        same,
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_map_that_fits_is_not_proven(case):
    assert not run(case).is_proof


def test_a_layer_that_is_the_only_one_of_its_size_may_be_behind_any_code():
    case = RIGHT[5]
    a, _ = sides(case)
    rows = rows_of(a, same).rows
    assert run(case, PairNames(tuple(PairRow(row.a, row.b) for row in rows))).is_proof
