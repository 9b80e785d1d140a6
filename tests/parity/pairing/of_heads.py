"""Pairs of attention whose heads lie otherwise: of any length, on an axis of their own, one element each."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, both, moved
from .torch_nets import net, p

PACKED_BIAS = frozenset({"qkv.bias"})
AXES = {"plain": (0, 1, 2), "by head": (1, 0, 2), "by element": (1, 2, 0)}


def packed(order, layout, heads, width):
    """Queries, keys and values in one layer, in this order; axes of it: which, the head, the element."""
    sizes = 3, heads, width // heads
    stored = tuple(sizes[axis] for axis in AXES[layout])

    def forward(self, x):
        pieces = self.qkv(x).unflatten(-1, stored)
        pieces = pieces.permute(0, 1, *(2 + axis for axis in np.argsort(AXES[layout])))
        named = dict(zip(order, pieces.unbind(2), strict=True))
        q, k, v = (named[one].transpose(1, 2) for one in "qkv")
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    return lambda: net(forward, proj=nn.Linear(width, width), qkv=nn.Linear(width, 3 * width))


def repacked(before, after, heads):
    """Return the map from one order and layout, as text, to another."""

    def move(array):
        (order, layout), (to, other) = before, after
        sizes = 3, heads, array.shape[0] // heads // 3
        found = array.reshape(*(sizes[axis] for axis in AXES[layout]), -1)
        found = found.transpose(*np.argsort(AXES[layout]), 3)[[order.index(one) for one in to]]
        return found.transpose(*AXES[other], 3).reshape(array.shape)

    return both(lambda t: {name: move(t[name]) for name in ("qkv.weight", "qkv.bias")}, moved(proj="proj"))


def of_packed(name, before, after, heads, width):
    return Case(
        name,
        packed(*before, heads, width),
        packed(*after, heads, width),
        (f"2x5x{width}",),
        repacked(before, after, heads),
        partly=PACKED_BIAS,
    )


def dense(self, x):
    return self.out(torch.softmax(self.query(x), -1))


def on_axes(self, x):
    found = torch.softmax(torch.einsum("ntd,dhk->nthk", x, self.query).flatten(2), -1)
    return torch.einsum("nthk,hkd->ntd", found.unflatten(-1, (2, 4)), self.out)


class Attention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def with_heads(count):
    return lambda: net(
        lambda self, x: self.last(self.attention(x)), attention=Attention(count), last=nn.Linear(8, 3)
    )


def experts(weights, **parts):
    """Three dense layers, weighed by what a fourth returns."""

    def forward(self, x):
        found = torch.tanh(torch.einsum("ni,eoi->noe", x, weights(self)))
        return (torch.softmax(self.router(x), -1)[:, None] * found).sum(-1)

    return lambda: net(
        forward, router=nn.Linear(6, 3, bias=False), **{name: part() for name, part in parts.items()}
    )


def layers():
    return nn.ModuleList(nn.Linear(6, 4, bias=False) for _ in range(3))


def square_layers():
    return nn.ModuleList(nn.Linear(6, 6, bias=False) for _ in range(3))


CASES = [
    of_packed(
        "heads packed each by itself on both sides, in other orders",
        ("vkq", "by head"),
        ("qkv", "by head"),
        2,
        8,
    ),
    of_packed(
        "heads of three, packed each by itself on one side", ("qkv", "plain"), ("vqk", "by head"), 4, 12
    ),
    of_packed("q, k and v of each element beside each other", ("qkv", "plain"), ("qkv", "by element"), 2, 6),
    Case(
        "heads on an axis of their own",
        lambda: net(dense, query=nn.Linear(8, 8, bias=False), out=nn.Linear(8, 8, bias=False)),
        lambda: net(on_axes, out=p(2, 4, 8), query=p(8, 2, 4)),
        ("2x5x8",),
        lambda t: {
            "query": t["query.weight"].T.reshape(8, 2, 4),
            "out": t["out.weight"].T.reshape(2, 4, 8),
        },
    ),
    Case(
        "weights of experts apart and in a stack",
        experts(lambda self: torch.stack([one.weight for one in self.one]), one=layers),
        experts(lambda self: self.all, all=lambda: p(3, 4, 6)),
        ("4x6",),
        lambda t: {
            "router.weight": t["router.weight"],
            "all": np.stack([t[f"one.{index}.weight"] for index in range(3)]),
        },
    ),
    Case(
        "square weights of experts apart and in a stack, multiplied from the right",
        experts(lambda self: torch.stack([one.weight for one in self.one]), one=square_layers),
        experts(lambda self: self.all.transpose(1, 2), all=lambda: p(3, 6, 6)),
        ("4x6",),
        lambda t: {
            "router.weight": t["router.weight"],
            "all": np.stack([t[f"one.{index}.weight"].T for index in range(3)]),
        },
    ),
    Case(
        "weights of experts in a stack, multiplied from the right, and apart",
        experts(lambda self: self.all.transpose(1, 2), all=lambda: p(3, 6, 4)),
        experts(lambda self: torch.stack([one.weight for one in self.one]), one=layers),
        ("4x6",),
        lambda t: {
            "router.weight": t["router.weight"],
            **{f"one.{index}.weight": t["all"][index].T for index in range(3)},
        },
    ),
    Case(
        "a stack of experts' weights, and the weights apart",
        experts(lambda self: self.all.transpose(0, 1), all=lambda: p(4, 3, 6)),
        experts(lambda self: torch.stack([one.weight for one in self.one]), one=layers),
        ("4x6",),
        lambda t: {
            "router.weight": t["router.weight"],
            **{f"one.{index}.weight": t["all"][:, index] for index in range(3)},
        },
    ),
    Case(
        "another number of heads",
        with_heads(2),
        with_heads(4),
        ("2x5x8",),
        moved(attention="attention", last="last"),
        "another graph",
        parting=("attention.out", "attention.out"),
        why="between attention.qkv and attention.out, in what is computed outside of modules; "
        "attention and attention have heads 2 and 4",
    ),
]
