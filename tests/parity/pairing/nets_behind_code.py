"""Networks whose code between modules differs: which, their first argument says."""

from functools import partial

import mindspore
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from . import cells
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


def streams(adds, names=("one", "two", "three", "four")):
    """As `encoded`, in two streams of two lengths, whose blocks add to the other stream too."""

    def forward(self, x):
        fine, coarse = self.fine(x), self.coarse(x[:, ::2])
        for first, second in zip(names[::2], names[1::2], strict=True):
            at = fine + self.places(fine), coarse + self.places(coarse)
            fine, coarse = at if adds else (fine, coarse)
            more = getattr(self, first)(at[0]), getattr(self, second)(at[1])
            fine = fine + more[0] + more[1].repeat_interleave(2, 1)
            coarse = coarse + more[1] + more[0][:, ::2]
        return self.last(self.norm(fine).mean(1) + self.other(coarse).mean(1))

    def made():
        return net(lambda self, x: self.body(self.norm(x)), body=nn.Linear(6, 6), norm=nn.LayerNorm(6))

    blocks = {name: made() for name in ("three", "two", "one", "four")}
    parts = {name: nn.Linear(5, 6) for name in ("fine", "coarse")}
    parts |= {name: nn.LayerNorm(6) for name in ("other", "norm")}
    return lambda: net(forward, **blocks, **parts, places=nn.Linear(6, 6, bias=False), last=nn.Linear(6, 4))


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


def two_sizes(aligned):
    """Two layers of one size, behind sums of the same two values in two sizes of images."""

    def forward(self, x):
        fine, coarse = torch.relu(self.fine(x)), torch.relu(self.coarse(x))
        resized = partial(F.interpolate, mode="bilinear", align_corners=aligned)
        one = self.one(fine + resized(coarse, size=(8, 8)))
        other = self.other(coarse + resized(fine, size=(4, 4)))
        return self.last(torch.cat((torch.tanh(one).mean((2, 3)), torch.tanh(other).mean((2, 3))), 1))

    convs = {"other": conv(5, 5, 1), "coarse": conv(3, 5, stride=2), "one": conv(5, 5, 1), "fine": conv(3, 5)}
    return lambda: net(forward, **convs, last=nn.Linear(10, 3))


def rounded(bits):
    """Layers behind a sum and behind a layer that code rounds to fewer bits, or does not."""

    def forward(self, given):
        x = torch.relu(self.stem(given))
        x = torch.relu(self.one(x) + self.two(given).to(bits).to(x.dtype))
        x = torch.relu(self.three(x)).to(bits).to(x.dtype)
        return self.last(self.four(x))

    parts = {
        "four": nn.Linear(6, 6),
        "two": nn.Linear(5, 6),
        "three": nn.Linear(6, 6),
        "one": nn.Linear(6, 6),
    }
    return lambda: net(forward, **parts, stem=nn.Linear(5, 6), last=nn.Linear(6, 3))


def across(divides, order=(0, 1, 2), once=False):
    """Attention between channels, of queries and keys that are divided by their lengths, or are not.

    Places are encoded once, or for each of the batch.
    """

    def forward(self, x):
        angles = torch.arange(7).to(x)[None, :, None] * torch.tensor([0.3, 1.0]).to(x)
        x = self.stem(x) + self.places(torch.sin(angles if once else angles.repeat(len(x), 1, 1)))
        packed = self.qkv(x).chunk(3, -1)
        q, k, v = (packed[place] for place in order)
        if divides:
            q, k = (F.normalize(one, dim=1) for one in (q, k))
        weights = (q.transpose(1, 2) @ k) * self.temperature
        return self.last(self.out(v @ weights.softmax(-1)) + x)

    parts = {"stem": nn.Linear(5, 6), "places": nn.Linear(2, 6, bias=False), "temperature": p(1)}
    return lambda: net(
        forward, **parts, qkv=nn.Linear(6, 18), out=nn.Linear(6, 6, bias=False), last=nn.Linear(6, 3)
    )


def lengths(swap, power=1):
    """Values times the lengths of others, in this order of channels or the other."""

    def forward(self, x):
        one, other = self.both(x).chunk(2, -1)
        length = other.norm(dim=1, keepdim=True) ** power
        return self.last(one * (length.flip(-1) if swap else length))

    return lambda: net(forward, both=nn.Linear(5, 12), last=nn.Linear(6, 3))


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
