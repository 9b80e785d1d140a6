"""Pairs of which one side, or both, is a network of MindSpore."""

import numpy as np
import torch
from mindspore import nn as ms_nn
from torch import nn

from . import cells
from .cases import Case, Truth, both, moved, same
from .of_layouts import packing, separate
from .of_recurrent import biases, layer
from .torch_nets import chain, conv, net

LEAVES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
IMAGE = ("2x3x8x8",)


def norm(a: str, b: str) -> Truth:
    """Return the map of a norm, whose parameters MindSpore calls otherwise."""
    return lambda t: {f"{b}.{LEAVES[leaf]}": t[f"{a}.{leaf}"] for leaf in LEAVES if f"{a}.{leaf}" in t}


def image(pool=None, slope=None):
    def act():
        return nn.ReLU() if slope is None else nn.LeakyReLU(slope)

    return net(
        lambda self, x: self.fc(
            self.act2(self.point(self.depth(self.pool(self.act1(self.bn(self.stem(x))))))).mean((2, 3))
        ),
        stem=conv(3, 6, bias=False),
        bn=nn.BatchNorm2d(6),
        act1=act(),
        pool=pool or nn.MaxPool2d(2, 2),
        depth=conv(6, 6, groups=6),
        point=conv(6, 6, 1, bias=False),
        act2=act(),
        fc=nn.Linear(6, 3),
    )


IMAGE_TRUTH = both(moved(stem="l1", depth="l3", point="l4", fc="l5"), norm("bn", "l2"))


def tokens():
    return chain(
        embedding=nn.Embedding(13, 8),
        norm=nn.LayerNorm(8),
        first=nn.Linear(8, 16),
        act=nn.GELU(),
        second=nn.Linear(16, 3),
    )


TOKENS_TRUTH = both(
    moved(first="first", second="second"),
    norm("norm", "norm"),
    lambda t: {"embedding.embedding_table": t["embedding.weight"]},
)


# what a run of the default suite takes of these; the others take more than three seconds each
QUICK = {
    "an image's network in both frameworks",
    "the same, the Cell first",
    "tokens in both frameworks",
    "an LSTM in both frameworks",
}


def mixed(name, a, b, inputs, truth, *verdict, **words):
    return Case(name, a, b, inputs, truth, *verdict, mindspore=True, slow=name not in QUICK, **words)


def twins():
    return net(
        lambda self, x: self.out(torch.relu(self.left(x) + self.right(x))),
        **{name: nn.Linear(5, 5) for name in ("left", "right", "out")},
    )


def packed_transposed(t):
    found = packing()(t)
    return {
        "packed": found["qkv.weight"].T,
        "shift": found["qkv.bias"],
        "out.weight": found["proj.weight"],
        "out.bias": found["proj.bias"],
    }


CASES = [
    mixed("an image's network in both frameworks", image, cells.Image, IMAGE, IMAGE_TRUTH),
    mixed(
        "the same, the Cell first",
        cells.Image,
        image,
        IMAGE,
        both(
            moved(l1="stem", l3="depth", l4="point", l5="fc"),
            lambda t: {f"bn.{leaf}": t[f"l2.{name}"] for leaf, name in LEAVES.items()},
        ),
    ),
    mixed("tokens in both frameworks", tokens, cells.Tokens, ("2x5:int32:0..13",), TOKENS_TRUTH),
    mixed(
        "an LSTM in both frameworks",
        layer(nn.LSTM),
        lambda: cells.Recurrent(ms_nn.LSTM),
        ("2x3x3",),
        same,
        symmetric=biases(),
    ),
    mixed(
        "an LSTM in two directions in both frameworks",
        layer(nn.LSTM, bidirectional=True),
        lambda: cells.Recurrent(ms_nn.LSTM, True),
        ("2x3x3",),
        same,
        symmetric=biases(suffixes=("l0", "l0_reverse")),
    ),
    mixed("a GRU in both frameworks", layer(nn.GRU), lambda: cells.Recurrent(ms_nn.GRU), ("2x3x3",), same),
    mixed(
        "attention apart in PyTorch, packed and transposed in MindSpore",
        separate(),
        cells.Attention,
        ("2x5x8",),
        packed_transposed,
        unproven=frozenset({"k.bias"}),
    ),
    mixed(
        "summed twins in both frameworks",
        twins,
        cells.Twins,
        ("3x5",),
        moved(left="x", right="y", out="out"),
        symmetric=frozenset({"left.weight", "left.bias", "right.weight", "right.bias"}),
    ),
    mixed(
        "a convolution of lines",
        lambda: chain(
            conv=nn.Conv1d(4, 6, 3, padding=1), act=nn.ReLU(), flat=nn.Flatten(), dense=nn.Linear(30, 4)
        ),
        cells.Line,
        ("2x4x5",),
        lambda t: {**t, "conv.weight": np.expand_dims(t["conv.weight"], 2)},
    ),
    mixed(
        "a transposed convolution in both frameworks",
        lambda: chain(up=nn.ConvTranspose2d(4, 4, 2, 2), act=nn.ReLU(), last=conv(4, 4, 1)),
        cells.Upwards,
        ("2x4x3x3",),
        same,
    ),
    mixed(
        "two Cells defined in another order",
        lambda: cells.Perceptron(("first", "second", "third")),
        lambda: cells.Perceptron(("second", "third", "first")),
        ("3x5",),
        same,
    ),
    mixed(
        "MindSpore's pool that pads as TensorFlow's",
        lambda: image(nn.MaxPool2d(3, 2, 1)),
        lambda: cells.Image(pool=ms_nn.MaxPool2d(3, 2, pad_mode="same")),
        IMAGE,
        IMAGE_TRUTH,
        "another graph",
        parting=("pool", "pool"),
        why="padding",
    ),
    mixed(
        "MindSpore's slope of a leaky ReLU",
        lambda: image(slope=0.01),
        lambda: cells.Image(slope=0.2),
        IMAGE,
        IMAGE_TRUTH,
        "another graph",
        parting=("act1", "act"),
        why="slope",
    ),
    mixed(
        "another epsilon of MindSpore's BatchNorm",
        image,
        lambda: cells.Image(epsilon=1e-3),
        IMAGE,
        IMAGE_TRUTH,
        "another graph",
        parting=("bn", "l2"),
        why="epsilon",
    ),
    mixed(
        "MindSpore's GELU by tanh",
        tokens,
        lambda: cells.Tokens(approximate=True),
        ("2x5:int32:0..13",),
        TOKENS_TRUTH,
        "another graph",
        parting=("act", "act"),
        why="approximat",
    ),
    mixed(
        "another epsilon of MindSpore's LayerNorm",
        tokens,
        lambda: cells.Tokens(epsilon=1e-2),
        ("2x5:int32:0..13",),
        TOKENS_TRUTH,
        "another graph",
        parting=("norm", "norm"),
        why="epsilon",
    ),
    mixed(
        "two Cells of which one has another epsilon",
        cells.Tokens,
        lambda: cells.Tokens(epsilon=1e-2),
        ("2x5:int32:0..13",),
        same,
        "another graph",
        parting=("norm", "norm"),
        why="epsilon",
    ),
]
