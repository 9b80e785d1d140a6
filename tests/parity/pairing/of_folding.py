"""Pairs of which one side has parameters that the other has folded into others, or lacks."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations, weight_norm

from .cases import Case, both, moved, renamed, same
from .torch_nets import buffers, chain, conv, net, p

EPSILON = 1e-5


def fold(weight, bn, bias=None):
    """Return the weight and the bias of a convolution with the BatchNorm behind it folded in."""
    gain = bn["weight"] / np.sqrt(bn["running_var"] + EPSILON)
    shift = bn["bias"] + gain * ((0 if bias is None else bias) - bn["running_mean"])
    return weight * gain.reshape(-1, *(1,) * (weight.ndim - 1)), shift


def under(path, tensors):
    return {name.removeprefix(f"{path}."): t for name, t in tensors.items() if name.startswith(f"{path}.")}


def folded(conv_path, bn_path, to, tensors):
    bias = tensors.get(f"{conv_path}.bias")
    weight, shift = fold(tensors[f"{conv_path}.weight"], under(bn_path, tensors), bias)
    return {f"{to}.weight": weight, f"{to}.bias": shift}


def added_up():
    return net(
        lambda self, x: torch.relu(self.after_wide(self.wide(x)) + self.after_point(self.point(x))),
        after_point=nn.BatchNorm2d(4),
        point=conv(3, 4, 1, bias=False),
        wide=conv(3, 4, bias=False),
        after_wide=nn.BatchNorm2d(4),
    )


def upwards(**words):
    return nn.ConvTranspose2d(4, 5, 2, 2, **words)


def folded_up(t):
    """A transposed convolution has its outputs on its second axis."""
    return folded("up", "bn", "up", {**t, "up.weight": t["up.weight"].swapaxes(0, 1)})


def rep_vgg(self, x):
    return torch.relu(self.bn3(self.c3(x)) + self.bn1(self.c1(x)) + self.bn0(x))


def merged_branches(t):
    three, three_bias = fold(t["c3.weight"], under("bn3", t))
    one, one_bias = fold(np.pad(t["c1.weight"], ((0, 0), (0, 0), (1, 1), (1, 1))), under("bn1", t))
    eye = np.zeros_like(three)
    eye[range(4), range(4), 1, 1] = 1
    nothing, nothing_bias = fold(eye, under("bn0", t))
    return {"conv.weight": three + one + nothing, "conv.bias": three_bias + one_bias + nothing_bias}


PARAMETRIZED = {
    f"one.weight_{old}": f"one.parametrizations.weight.original{new}" for new, old in enumerate("gv")
}


def normed(t):
    g, v = (t[f"one.parametrizations.weight.original{index}"] for index in (0, 1))
    weight = g * v / np.sqrt((v**2).sum(1, keepdims=True))
    return {"one.weight": weight, "one.bias": t["one.bias"], **moved(two="two")(t)}


ADDED = ("bn0.bias", "bn1.bias", "bn3.bias")

KEY_BIAS = frozenset({"key.bias"})
INDEX = (torch.arange(3)[:, None] - torch.arange(3)[None, :]) + 2


def relative(index):
    def forward(self, x):
        scores = x @ self.key(x).transpose(-1, -2)
        at = index(self)
        return self.value(torch.softmax(scores + self.table[at.reshape(-1)].reshape(3, 3), -1) @ x)

    return lambda **more: net(forward, key=nn.Linear(4, 4), table=p(5), value=nn.Linear(4, 4), **more)


def with_mask(mask):
    def forward(self, x):
        scores = x @ self.key(x).transpose(-1, -2) + mask(self)
        return self.value(torch.softmax(scores, -1) @ x)

    return lambda: net(forward, key=nn.Linear(4, 4), value=nn.Linear(4, 4))


CAUSAL = torch.full((3, 3), -10.0).triu(1)


def without_biases(self, x):
    x = F.layer_norm(x, (6,), self.norm)
    return torch.tanh(x @ self.one.T) @ self.two.T


def normed_convolutions(t):
    found = {}
    for path, other, axis in (("first", "l2", 0), ("second", "l1", 1)):
        g, v = (t[f"{path}.parametrizations.weight.original{index}"] for index in (0, 1))
        length = np.sqrt((v**2).sum(tuple({0, 1, 2, 3} - {axis}), keepdims=True))
        found |= {f"{other}.weight": g.reshape(length.shape) * v / length, f"{other}.bias": t[f"{path}.bias"]}
    return found


CASES = [
    Case(
        "a bias that the first side lacks",
        lambda: chain(one=nn.Linear(6, 5, bias=False), act=nn.Tanh(), two=nn.Linear(5, 3)),
        lambda: chain(one=nn.Linear(6, 5), act=nn.Tanh(), two=nn.Linear(5, 3)),
        ("4x6",),
        lambda t: {**t, "one.bias": np.zeros(5, np.float32)},
    ),
    Case(
        "a bias that the first side lacks, beside a norm written out",
        lambda: net(
            lambda self, x: self.norm(self.two(torch.tanh(self.one(x)))),
            one=nn.Linear(6, 6, bias=False),
            two=nn.Linear(6, 6),
            norm=nn.LayerNorm(6, bias=False),
        ),
        lambda: net(
            lambda self, x: F.layer_norm(self.two(torch.tanh(self.one(x))), (6,), self.factor),
            factor=p(6),
            two=nn.Linear(6, 6),
            one=nn.Linear(6, 6),
        ),
        ("4x6",),
        lambda t: {
            **moved(two="two", one="one", norm__weight="factor")(t),
            "one.bias": np.zeros(6, np.float32),
        },
    ),
    Case(
        "biases that the second side lacks",
        lambda: chain(norm=nn.LayerNorm(6), one=nn.Linear(6, 5), act=nn.Tanh(), two=nn.Linear(5, 3)),
        lambda: net(without_biases, two=p(3, 5), norm=p(6), one=p(5, 6)),
        ("4x6",),
        renamed(norm__weight="norm", one__weight="one", two__weight="two"),
        "no map",
        left_a=frozenset({"norm.bias", "one.bias", "two.bias"}),
        why="bias",
    ),
    Case(
        "a convolution's bias before a BatchNorm, which the first side lacks",
        lambda: chain(conv=conv(3, 4, bias=False), bn=nn.BatchNorm2d(4), act=nn.ReLU()),
        lambda: chain(conv=conv(3, 4), bn=nn.BatchNorm2d(4), act=nn.ReLU()),
        ("2x3x5x5",),
        lambda t: {**t, "conv.bias": np.zeros(4, np.float32)},
    ),
    Case(
        "a BatchNorm folded into the convolution before it",
        lambda: chain(conv=conv(3, 4, bias=False), bn=nn.BatchNorm2d(4), act=nn.ReLU(), last=conv(4, 2, 1)),
        lambda: chain(conv=conv(3, 4), act=nn.ReLU(), last=conv(4, 2, 1)),
        ("2x3x5x5",),
        lambda t: {**folded("conv", "bn", "conv", t), **moved(last="last")(t)},
    ),
    Case(
        "two BatchNorms folded, of layers of one shape",
        lambda: chain(
            c1=conv(4, 4),
            b1=nn.BatchNorm2d(4),
            act=nn.ReLU(),
            c2=conv(4, 4, bias=False),
            b2=nn.BatchNorm2d(4),
        ),
        lambda: chain(c1=conv(4, 4), act=nn.ReLU(), c2=conv(4, 4)),
        ("2x4x5x5",),
        lambda t: {**folded("c1", "b1", "c1", t), **folded("c2", "b2", "c2", t)},
    ),
    Case(
        "norms folded of two layers that are added up",
        added_up,
        lambda: net(lambda self, x: torch.relu(self.one(x) + self.two(x)), two=conv(3, 4), one=conv(3, 4, 1)),
        ("2x3x5x5",),
        lambda t: {**folded("wide", "after_wide", "two", t), **folded("point", "after_point", "one", t)},
        symmetric=frozenset({"after_point.bias", "after_wide.bias"}),
    ),
    Case(
        "a BatchNorm folded into a transposed convolution",
        lambda: chain(up=upwards(bias=False), bn=nn.BatchNorm2d(5), act=nn.ReLU(), last=conv(5, 2, 1)),
        lambda: chain(up=upwards(), act=nn.ReLU(), last=conv(5, 2, 1)),
        ("2x4x3x3",),
        lambda t: {
            **{
                name: array.swapaxes(0, 1) if array.ndim > 1 else array
                for name, array in folded_up(t).items()
            },
            **moved(last="last")(t),
        },
    ),
    Case(
        "a BatchNorm folded into a dense layer",
        lambda: chain(fc=nn.Linear(5, 6), bn=nn.BatchNorm1d(6), act=nn.ReLU(), last=nn.Linear(6, 2)),
        lambda: chain(fc=nn.Linear(5, 6), act=nn.ReLU(), last=nn.Linear(6, 2)),
        ("4x5",),
        lambda t: {**folded("fc", "bn", "fc", t), **moved(last="last")(t)},
    ),
    Case(
        "weight norm and the weight itself",
        lambda: chain(one=parametrizations.weight_norm(nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3)),
        lambda: chain(one=nn.Linear(6, 5), act=nn.Tanh(), two=nn.Linear(5, 3)),
        ("4x6",),
        normed,
    ),
    Case(
        "the older weight norm and the weight itself",
        lambda: chain(one=weight_norm(nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3)),
        lambda: chain(one=nn.Linear(6, 5), act=nn.Tanh(), two=nn.Linear(5, 3)),
        ("4x6",),
        lambda t: normed({PARAMETRIZED.get(name, name): array for name, array in t.items()}),
    ),
    Case(
        "the older weight norm and the newer",
        lambda: chain(one=weight_norm(nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3)),
        lambda: chain(one=parametrizations.weight_norm(nn.Linear(6, 5)), act=nn.Tanh(), two=nn.Linear(5, 3)),
        ("4x6",),
        lambda t: {PARAMETRIZED.get(name, name): array for name, array in t.items()},
    ),
    Case(
        "a norm with factors of one and without any",
        lambda: chain(a=nn.Linear(6, 8), norm=nn.LayerNorm(8, elementwise_affine=False), b=nn.Linear(8, 3)),
        lambda: chain(a=nn.Linear(6, 8), norm=nn.LayerNorm(8), b=nn.Linear(8, 3)),
        ("4x6",),
        lambda t: {**t, "norm.weight": np.ones(8, np.float32), "norm.bias": np.zeros(8, np.float32)},
    ),
    Case(
        "weight norm of convolutions of one shape and the weights, defined in another order",
        lambda: chain(
            first=parametrizations.weight_norm(conv(4, 4)),
            act=nn.Tanh(),
            second=parametrizations.weight_norm(conv(4, 4), dim=1),
        ),
        lambda: net(
            lambda self, x: self.l1(torch.tanh(self.l2(x))),
            l1=conv(4, 4),
            l2=conv(4, 4),
        ),
        ("2x4x5x5",),
        normed_convolutions,
    ),
    Case(
        "weight norm on both sides under other names",
        lambda: chain(one=parametrizations.weight_norm(nn.Linear(6, 5)), act=nn.Tanh()),
        lambda: net(
            lambda self, x: torch.tanh(x @ (self.g * self.v / self.v.norm(dim=1, keepdim=True)).T + self.c),
            c=p(5),
            v=p(5, 6),
            g=p(5, 1),
        ),
        ("4x6",),
        renamed(
            one__parametrizations__weight__original0="g",
            one__parametrizations__weight__original1="v",
            one__bias="c",
        ),
    ),
    Case(
        "the branches of RepVGG and the one convolution that they become",
        lambda: net(
            rep_vgg,
            c3=conv(4, 4, bias=False),
            bn3=nn.BatchNorm2d(4),
            c1=conv(4, 4, 1, bias=False),
            bn1=nn.BatchNorm2d(4),
            bn0=nn.BatchNorm2d(4),
        ),
        lambda: chain(conv=conv(4, 4), act=nn.ReLU()),
        ("2x4x5x5",),
        merged_branches,
    ),
    Case(
        "the branches of RepVGG on both sides in another order",
        lambda: net(
            rep_vgg,
            c3=conv(4, 4, bias=False),
            bn3=nn.BatchNorm2d(4),
            c1=conv(4, 4, 1, bias=False),
            bn1=nn.BatchNorm2d(4),
            bn0=nn.BatchNorm2d(4),
        ),
        lambda: net(
            rep_vgg,
            bn0=nn.BatchNorm2d(4),
            bn1=nn.BatchNorm2d(4),
            bn3=nn.BatchNorm2d(4),
            c1=conv(4, 4, 1, bias=False),
            c3=conv(4, 4, bias=False),
        ),
        ("2x4x5x5",),
        same,
        # what is added to a sum is added, wherever it comes from
        symmetric=frozenset(ADDED),
    ),
    Case(
        "a table of relative positions with its index as a buffer on one side",
        lambda: buffers(relative(lambda self: self.index)(), index=INDEX.clone()),
        lambda: relative(lambda self: INDEX)(),
        ("2x3x4",),
        lambda t: {name: array for name, array in t.items() if name != "index"},
        unproven=KEY_BIAS,
    ),
    Case(
        "a mask as a buffer on the second side",
        with_mask(lambda self: CAUSAL),
        lambda: buffers(with_mask(lambda self: self.mask)(), mask=CAUSAL.clone()),
        ("2x3x4",),
        both(moved(key="key", value="value"), lambda t: {"mask": CAUSAL.numpy()}),
        unproven=KEY_BIAS,
    ),
]
