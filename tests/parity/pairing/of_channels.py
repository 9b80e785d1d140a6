"""Pairs whose channels are in another order: concatenated, split, shuffled or grouped otherwise."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, moved, same
from .torch_nets import conv, net

IMAGE = ("2x3x6x6",)


def blocks(name, axis, sizes, order):
    """Return the map in which blocks of these sizes, along an axis of a tensor, come in this order."""

    def truth(tensors):
        parts = np.split(tensors[name], np.cumsum(sizes)[:-1], axis)
        return {name: np.concatenate([parts[place] for place in order], axis)}

    return truth


def but_for(*truths):
    """Return the map that keeps every tensor but those of which these say something."""
    return lambda t: {**t, **{name: array for truth in truths for name, array in truth(t).items()}}


def concatenated(order, sizes=(4, 4), norm=False):
    def forward(self, x):
        branches = [torch.relu(self.a(x)), torch.tanh(self.b(x))]
        x = torch.cat([branches[place] for place in order], 1)
        return self.head(torch.relu(self.norm(x)) if norm else x)

    parts = {"a": conv(3, sizes[0]), "b": conv(3, sizes[1]), "head": conv(sum(sizes), 2)}
    return lambda: net(forward, **parts, **({"norm": nn.BatchNorm2d(sum(sizes))} if norm else {}))


def halves(swapped, act, layer, given, returned):
    def forward(self, x):
        one, two = self.layer(x).chunk(2, 1)
        return self.head(act(two) * one if swapped else act(one) * two)

    return lambda: net(forward, layer=layer(given, 2 * returned), head=layer(returned, 3))


def shuffled(is_shuffled):
    def forward(self, x):
        x = torch.relu(self.conv(x))
        if is_shuffled:
            x = x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
        return self.head(x)

    return lambda: net(forward, conv=conv(3, 8), head=conv(8, 2))


def shuffle(tensors):
    weight = tensors["head.weight"].reshape(2, 2, 4, 3, 3).transpose(0, 2, 1, 3, 4)
    return {"head.weight": weight.reshape(2, 8, 3, 3)}


def rotated(interleaved):
    """Half of the channels and the other half, or every other channel, as rotations of a query take them."""

    def forward(self, x):
        x = self.query(x)
        one, two = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
        return self.head(torch.sin(one) * two)

    return lambda: net(forward, query=nn.Linear(6, 8), head=nn.Linear(4, 3))


def interleave(tensors):
    return {
        "query.weight": tensors["query.weight"].reshape(2, 4, 6).transpose(1, 0, 2).reshape(8, 6),
        "query.bias": tensors["query.bias"].reshape(2, 4).T.reshape(-1),
    }


def two_groups(self, x):
    return self.head(torch.cat([self.first(x[:, :2]), self.second(x[:, 2:])], 1))


def grouped_queries(packed):
    """Four heads of the query and two of keys and values: (8, 8), and (4, 8) twice."""

    def forward(self, x):
        q, k, v = self.qkv(x).split((8, 4, 4), -1) if packed else (self.q(x), self.k(x), self.v(x))
        q = q.unflatten(-1, (4, 2)).transpose(1, 2)
        k, v = (one.unflatten(-1, (2, 2)).transpose(1, 2).repeat_interleave(2, 1) for one in (k, v))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    sizes = {"qkv": 16} if packed else {"q": 8, "k": 4, "v": 4}
    layers = {name: nn.Linear(8, size, bias=False) for name, size in sizes.items()}
    return lambda: net(forward, out=nn.Linear(8, 8), **layers)


def flattened_before_norm(axes):
    def forward(self, x):
        return self.dense(self.norm(torch.relu(self.conv(x)).permute(axes).flatten(1)))

    return lambda: net(forward, conv=conv(3, 4), norm=nn.BatchNorm1d(24), dense=nn.Linear(24, 4, bias=False))


CASES = [
    Case(
        "flattened channels first and last before a norm",
        flattened_before_norm((0, 1, 2, 3)),
        flattened_before_norm((0, 2, 3, 1)),
        ("3x3x2x3",),
        lambda t: {
            name: array
            if name.startswith("conv")
            else array.reshape(-1, 4, 2, 3).transpose(0, 2, 3, 1).reshape(array.shape)
            for name, array in t.items()
        },
    ),
    Case(
        "two branches concatenated the other way round",
        concatenated((0, 1)),
        concatenated((1, 0)),
        IMAGE,
        but_for(blocks("head.weight", 1, (4, 4), (1, 0))),
    ),
    Case(
        "two branches of other widths concatenated the other way round",
        concatenated((0, 1), (4, 6)),
        concatenated((1, 0), (4, 6)),
        IMAGE,
        but_for(blocks("head.weight", 1, (4, 6), (1, 0))),
    ),
    Case(
        "two branches concatenated the other way round before a norm",
        concatenated((0, 1), norm=True),
        concatenated((1, 0), norm=True),
        IMAGE,
        but_for(
            blocks("head.weight", 1, (4, 4), (1, 0)),
            *(
                blocks(f"norm.{leaf}", 0, (4, 4), (1, 0))
                for leaf in ("weight", "bias", "running_mean", "running_var")
            ),
        ),
    ),
    Case(
        "the halves of a dense layer exchanged",
        halves(False, F.silu, nn.Linear, 6, 10),
        halves(True, F.silu, nn.Linear, 6, 10),
        ("4x6",),
        but_for(blocks("layer.weight", 0, (10, 10), (1, 0)), blocks("layer.bias", 0, (10, 10), (1, 0))),
    ),
    Case(
        "the halves of a convolution exchanged",
        halves(False, torch.sigmoid, conv, 3, 4),
        halves(True, torch.sigmoid, conv, 3, 4),
        IMAGE,
        but_for(blocks("layer.weight", 0, (4, 4), (1, 0)), blocks("layer.bias", 0, (4, 4), (1, 0))),
    ),
    Case("channels shuffled on one side", shuffled(False), shuffled(True), IMAGE, but_for(shuffle)),
    Case("channels interleaved on one side", rotated(False), rotated(True), ("4x6",), but_for(interleave)),
    Case(
        "a convolution in two groups and two convolutions",
        lambda: net(lambda self, x: self.head(self.both(x)), both=conv(4, 4, groups=2), head=conv(4, 2, 1)),
        lambda: net(two_groups, first=conv(2, 2), second=conv(2, 2), head=conv(4, 2, 1)),
        ("2x4x6x6",),
        lambda t: {
            **moved(head="head")(t),
            **{f"first.{leaf}": t[f"both.{leaf}"][:2] for leaf in ("weight", "bias")},
            **{f"second.{leaf}": t[f"both.{leaf}"][2:] for leaf in ("weight", "bias")},
        },
    ),
    Case(
        "packed queries, keys and values of other widths",
        grouped_queries(False),
        grouped_queries(True),
        ("2x5x8",),
        lambda t: {
            **moved(out="out")(t),
            "qkv.weight": np.concatenate([t[f"{name}.weight"] for name in "qkv"]),
        },
    ),
    Case(
        "rotations of interleaved channels on both sides",
        rotated(True),
        rotated(True),
        ("4x6",),
        same,
    ),
]
