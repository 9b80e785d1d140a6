"""Pairs of which one side adds branches up that the other keeps as one convolution, as after training."""

import numpy as np
import torch
from mindspore import nn as ms_nn
from mindspore import ops
from torch import nn

from . import cells
from .cases import Case, moved
from .of_cells import LEAVES
from .of_folding import fold, under
from .torch_nets import conv, net

IMAGE = ("2x4x6x6",)


def branch(channels, kernel, **words):
    made = nn.Sequential()
    made.add_module("conv", conv(channels, channels, kernel, bias=False, **words))
    made.add_module("bn", nn.BatchNorm2d(channels))
    return made


def block(kernels, identity, *, channels=4, **words):
    """Return a block whose branches are defined in the order of their kernels, the BatchNorm alone last."""
    parts = {f"b{place}": branch(channels, kernel, **words) for place, kernel in enumerate(kernels)}
    if identity:
        parts["alone"] = nn.BatchNorm2d(channels)
    return net(lambda self, x: torch.relu(sum(getattr(self, name)(x) for name in parts)), **parts)


def merged(path, to, *, channels=4, groups=1):
    """Return the map of the branches under a path to one convolution."""

    def truth(t):
        found = []
        for place in range(5):
            own = under(f"{path}b{place}", t)
            if own:
                around = (3 - own["conv.weight"].shape[-1]) // 2
                kernel = np.pad(own["conv.weight"], ((0, 0), (0, 0), (around, around), (around, around)))
                found.append(fold(kernel, under("bn", own)))
        alone = under(f"{path}alone", t)
        if alone:
            eye = np.zeros((channels, channels // groups, 3, 3), np.float32)
            for channel in range(channels):
                eye[channel, channel % (channels // groups), 1, 1] = 1
            found.append(fold(eye, alone))
        return {
            f"{to}.weight": sum(kernel for kernel, _ in found),
            f"{to}.bias": sum(bias for _, bias in found),
        }

    return truth


def two_blocks():
    return net(
        lambda self, x: self.head(self.two(self.one(x)).mean((2, 3))),
        two=block((1, 3), True, groups=2),
        head=nn.Linear(4, 3),
        one=block((3, 1), False, stride=2),
    )


def two_convolutions():
    return net(
        lambda self, x: self.fc(torch.relu(self.c2(torch.relu(self.c1(x)))).mean((2, 3))),
        fc=nn.Linear(4, 3),
        c1=conv(4, 4, stride=2),
        c2=conv(4, 4, groups=2),
    )


def two_merged(t):
    return {
        **moved(head="fc")(t),
        **merged("one.", "c1")(t),
        **merged("two.", "c2", groups=2)(t),
    }


def one_convolution(**words):
    return lambda: net(lambda self, x: torch.relu(self.conv(x)), conv=conv(4, 4, **words))


def concatenated(self, x):
    found = [self.small_norm(self.small(x)), self.large_norm(self.large(x))]
    return self.last(torch.relu(torch.cat(found, 1)))


def beside(**more):
    return net(concatenated, small=conv(4, 4, 1), large=conv(4, 4), last=conv(8, 2, 1), **more)


class Branches(ms_nn.Cell):
    def __init__(self):
        super().__init__()
        self.small, self.large = cells.conv(4, 4, 1, has_bias=False), cells.conv(4, 4, has_bias=False)
        self.small_norm, self.large_norm = ms_nn.BatchNorm2d(4), ms_nn.BatchNorm2d(4)
        self.alone = ms_nn.BatchNorm2d(4)

    def construct(self, x):
        found = self.small_norm(self.small(x)) + self.large_norm(self.large(x))
        return ops.relu(found + self.alone(x))


def of_cell(t):
    back = {leaf: name for name, leaf in LEAVES.items()}
    places = {"large_norm": "b0.bn", "small_norm": "b1.bn", "alone": "alone"}
    found = {"b0.conv.weight": t["large.weight"], "b1.conv.weight": t["small.weight"]}
    for path, place in places.items():
        found |= {f"{place}.{back[leaf]}": array for leaf, array in under(path, t).items()}
    return merged("", "conv")(found)


def norms(*paths):
    leaves = ("weight", "bias", "running_mean", "running_var")
    return frozenset(f"{path}.{leaf}" for path in paths for leaf in leaves)


CASES = [
    Case(
        "two blocks of branches, with a stride and with groups, and two convolutions",
        two_blocks,
        two_convolutions,
        IMAGE,
        two_merged,
    ),
    Case(
        "branches of channels each by itself, of which two have one size",
        lambda: block((3, 1, 3), True, groups=4),
        one_convolution(groups=4),
        IMAGE,
        merged("", "conv", groups=4),
    ),
    Case(
        "branches in MindSpore and one convolution in PyTorch",
        Branches,
        one_convolution(),
        IMAGE,
        of_cell,
        mindspore=True,
    ),
    Case(
        "two convolutions beside each other that are no branches of a sum, their norms folded",
        lambda: beside(small_norm=nn.BatchNorm2d(4), large_norm=nn.BatchNorm2d(4)),
        lambda: beside(small_norm=nn.Identity(), large_norm=nn.Identity()),
        IMAGE,
        lambda t: {
            **moved(last="last")(t),
            **{
                f"{path}.{leaf}": array
                for path in ("small", "large")
                for leaf, array in zip(
                    ("weight", "bias"),
                    fold(t[f"{path}.weight"], under(f"{path}_norm", t), t[f"{path}.bias"]),
                    strict=True,
                )
            },
        },
    ),
    Case(
        "one convolution and the branches that it was",
        one_convolution(),
        lambda: block((3, 1), True),
        IMAGE,
        lambda t: {},
        "no map",
    ),
]
