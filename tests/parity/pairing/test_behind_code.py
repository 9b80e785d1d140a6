"""What is proven of layers behind code that computes otherwise, and what must not be."""

import mindspore
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import triport
from triport.converters.naming.pair_names import PairNames, PairRow
from triport.parity.pairing.parting import substituted

from . import cells
from .cases import Case, moved, same
from .running import feed_of, give, seeded, sides
from .test_parting import rows_of, wrong_maps
from .torch_nets import conv, net, p

IMAGE = ("2x3x9x9",)


def branches(counted, swap=False, act=torch.tanh):
    """Two branches, one of them behind a pool that code does; with `swap` they change their places too."""

    def forward(self, x):
        x = self.act(self.stem(x))
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=counted)
        one, other = self.one(x), self.other(pooled)
        return self.last(act(torch.cat((other, one) if swap else (one, other), 1)))

    parts = {"stem": conv(3, 6), "one": conv(6, 5, 1), "other": conv(6, 5, 1), "last": conv(10, 4, 1)}
    return lambda: net(forward, **parts, act={torch.tanh: nn.Tanh, torch.relu: nn.ReLU}[act]())


def deep(counted, names=("first", "second", "third")):
    """Layers of one size behind a pool each, with others between them."""

    def forward(self, x):
        x = self.acts[3](self.stem(x))
        for place, name in enumerate(names):
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=counted)
            x = self.acts[place](getattr(self, name)(pooled) + getattr(self, f"beside{place}")(x))
        return self.last(x)

    convs = {name: conv(6, 6, 1) for name in ("third", "first", "second")}
    beside = {f"beside{place}": conv(6, 6, bias=False) for place in range(3)}
    acts = nn.ModuleList(nn.Tanh() for _ in range(4))
    return lambda: net(forward, stem=conv(3, 6, 1), **convs, **beside, last=conv(6, 4, 1), acts=acts)


def norm_of_means(first):
    """A head whose norm comes before the mean over the image, or behind it; a factor without a layer."""

    def forward(self, x):
        x = self.block(torch.tanh(self.stem(x)))
        x = self.norm(x).mean((2, 3)) if first else self.norm(x.mean((2, 3), keepdim=True)).flatten(1)
        return self.head(x)

    def block(self, x):
        return x + self.factor[:, None, None] * self.body(x)

    parts = {"stem": conv(3, 8), "norm": nn.GroupNorm(1, 8), "head": nn.Linear(8, 5)}
    return lambda: net(forward, **parts, block=net(block, body=conv(8, 8), factor=p(8)))


def resized(mode):
    def forward(self, x):
        return self.head(torch.tanh(self.proj(F.interpolate(x, size=(12, 12), mode=mode))).mean((2, 3)))

    return lambda: net(forward, proj=conv(3, 6, 4, stride=4, padding=0), head=nn.Linear(6, 4))


def encoded(adds, names=("first", "second", "third")):
    """Blocks with one encoding of places, which some add to what goes on and others to what is looked at."""

    def forward(self, x):
        x = torch.cat((self.token.expand(len(x), 1, 6), self.stem(x)), 1)
        for name in names:
            block = getattr(self, name)
            y = x + self.places(x)
            x = (y if adds else x) + block(y)
        return self.head(self.norm(x)[:, 0])

    def made():
        return net(lambda self, x: self.body(self.norm(x)), body=nn.Linear(6, 6), norm=nn.LayerNorm(6))

    blocks = {name: made() for name in ("third", "first", "second")}
    parts = {"stem": nn.Linear(5, 6), "places": nn.Linear(6, 6, bias=False), "token": p(6)}
    return lambda: net(forward, **blocks, **parts, norm=nn.LayerNorm(6), head=nn.Linear(6, 4))


def scaled(added):
    """A block whose result is times a vector, behind which code adds, or does not, a little more."""

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.factor * torch.relu(self.body(x)) + added * x)

    parts = {"stem": nn.Linear(5, 6), "body": nn.Linear(6, 6), "factor": p(6), "head": nn.Linear(6, 4)}
    return lambda: net(forward, **parts)


def halved(order):
    """Two layers of one size, each behind one half of the channels of one value."""

    def forward(self, x):
        halves = self.stem(x).chunk(2, -1)
        one, other = (halves[place] for place in order[:2])
        return self.last(torch.tanh(self.one(one * order[2])) * self.other(other * order[2]))

    return lambda: net(
        forward, stem=nn.Linear(5, 12), one=nn.Linear(6, 6), other=nn.Linear(6, 6), last=nn.Linear(6, 3)
    )


class BranchesOfCells(mindspore.nn.Cell):
    """As `branches`, in MindSpore, with zeros counted."""

    def __init__(self):
        super().__init__()
        self.last = cells.conv(10, 4, 1)
        self.other, self.one = cells.conv(6, 5, 1), cells.conv(6, 5, 1)
        self.stem, self.act = cells.conv(3, 6), mindspore.nn.ReLU()

    def construct(self, x):
        x = self.act(self.stem(x))
        pooled = mindspore.ops.avg_pool2d(x, 3, 1, 1, count_include_pad=True)
        return self.last(mindspore.ops.relu(mindspore.ops.concat((self.one(x), self.other(pooled)), 1)))


class EncodedCells(mindspore.nn.Cell):
    """As `encoded`, in MindSpore, with one block whose encoding is only looked at."""

    def __init__(self):
        super().__init__()
        self.head, self.norm = mindspore.nn.Dense(6, 4), mindspore.nn.LayerNorm((6,), epsilon=1e-5)
        self.blocks = mindspore.nn.CellList([mindspore.nn.Dense(6, 6) for _ in range(3)])
        self.places = mindspore.nn.Dense(6, 6, has_bias=False)
        self.stem = mindspore.nn.Dense(5, 6)

    def construct(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x + self.places(x))
        return self.head(self.norm(x)[:, 0])


def encoded_blocks(self, x):
    x = self.stem(x)
    for block in self.blocks:
        x = x + self.places(x)
        x = x + block(x)
    return self.head(self.norm(x)[:, 0])


def of_encoded():
    return net(
        encoded_blocks,
        stem=nn.Linear(5, 6),
        places=nn.Linear(6, 6, bias=False),
        blocks=nn.ModuleList(nn.Linear(6, 6) for _ in range(3)),
        norm=nn.LayerNorm(6),
        head=nn.Linear(6, 4),
    )


def in_cells(tensors):
    """Return the tensors under the names that MindSpore gives them."""
    leaves = {"norm.weight": "norm.gamma", "norm.bias": "norm.beta"}
    return {leaves.get(name, name): array for name, array in tensors.items()}


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
    *OF_CELLS,
    Case("an encoding added to what goes on, or not", encoded(True), encoded(False), ("2x7x5",), same),
    Case("layers behind halves", halved((0, 1, 1)), halved((0, 1, 1.5)), ("4x5",), same),
    Case("a sum with a vector, and more of one", scaled(0.0), scaled(0.3), ("4x5",), same),
    Case("a pool in code, before a branch", branches(True), branches(False), IMAGE, same),
    Case("a pool in code, before each of three equal layers", deep(True), deep(False), IMAGE, same),
    Case("the norm before the mean and after it", norm_of_means(True), norm_of_means(False), IMAGE, same),
    Case("an image resized otherwise", resized("bilinear"), resized("bicubic"), ("2x3x7x7",), same),
]


def run(case, names=None):
    a, b = sides(case)
    values = seeded(a)
    names = names or rows_of(a, case.truth)
    give(a, values)
    give(b, names.forward(values))
    return substituted(a, b, names, feed_of(a.network))


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_the_right_map_is_proven(case):
    found = run(case)
    assert found.is_proof
    assert "outside of modules" in found.first.why


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_no_wrong_map_is(case):
    for names, wrong in wrong_maps(case):
        assert not run(case, names).is_proof, wrong


@pytest.mark.parametrize("case", RIGHT, ids=str)
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
    case = RIGHT[3]
    a, _ = sides(case)
    rows = rows_of(a, same).rows
    assert run(case, PairNames(tuple(PairRow(row.a, row.b) for row in rows))).is_proof
