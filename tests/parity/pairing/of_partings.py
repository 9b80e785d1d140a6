"""Pairs with the same weights and another graph: which module parts, and what differs there."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, moved, same
from .torch_nets import chain, conv, net

IMAGE = ("2x3x9x9",)


def around(**middle):
    """Return a network with these modules in its middle, which give back four channels."""
    return chain(
        stem=conv(3, 4),
        act=nn.Tanh(),
        **middle,
        last=conv(4, 4, 1),
        tanh=nn.Tanh(),
    )


def parting(name, where, why, a, b, inputs=IMAGE, **words):
    return Case(name, a, b, inputs, same, "another graph", parting=where, why=why, **words)


def middle(name, why, a, b, path="mid", **words):
    """A case in which one module in the middle is another one, of the same parameters."""
    return parting(
        name, (path, path), why, lambda: around(**{path: a()}), lambda: around(**{path: b()}), **words
    )


def dense_norm(epsilon, cls=nn.LayerNorm, *size):
    return lambda: chain(
        one=nn.Linear(6, 8), norm=cls(*(size or (8,)), eps=epsilon), act=nn.GELU(), two=nn.Linear(8, 3)
    )


def dense_act(act):
    return lambda: chain(one=nn.Linear(6, 8), act=act(), mid=nn.Linear(8, 8), act2=act(), two=nn.Linear(8, 3))


def norm_and_act(first, second):
    parts = {"norm": nn.BatchNorm2d(4), "relu": nn.ReLU()}
    return lambda: around(**{name: parts[name] for name in (first, second)})


def two_layers(swap):
    def forward(self, x):
        first, second = (self.two, self.one) if swap else (self.one, self.two)
        return self.out(torch.tanh(second(torch.tanh(first(x)))))

    return lambda: net(forward, one=nn.Linear(5, 5), two=nn.Linear(5, 5), out=nn.Linear(5, 3))


def functional(act):
    def forward(self, x):
        return self.two(act(self.one(x)))

    return lambda: net(forward, one=nn.Linear(6, 8), two=nn.Linear(8, 3))


def padded_before(padding):
    """A pool behind a padding that the code does itself, as a port from TensorFlow does."""

    def forward(self, x):
        x = torch.relu(self.stem(x))
        return torch.tanh(self.last(self.pool(F.pad(x, padding))))

    return lambda: net(forward, stem=conv(3, 4), pool=nn.MaxPool2d(3, 2), last=conv(4, 2, 1))


def pre_or_post(pre):
    """A block whose norm comes first, or last."""

    def forward(self, x):
        x = self.embed(x)
        x = x + self.fc(self.norm(x)) if pre else self.norm(x + self.fc(x))
        return self.head(x)

    return lambda: net(
        forward, embed=nn.Linear(5, 6), norm=nn.LayerNorm(6), fc=nn.Linear(6, 6), head=nn.Linear(6, 2)
    )


def without_shortcut(shortcut):
    def forward(self, x):
        x = torch.tanh(self.one(x))
        y = torch.tanh(self.two(x))
        return self.out(x + y if shortcut else y)

    return lambda: net(forward, one=nn.Linear(5, 6), two=nn.Linear(6, 6), out=nn.Linear(6, 2))


def several(epsilon, count=3):
    parts = {}
    for index in range(count):
        parts[f"conv{index}"] = conv(3 if not index else 4, 4)
        parts[f"norm{index}"] = nn.BatchNorm2d(4, eps=epsilon)
        parts[f"act{index}"] = nn.ReLU()
    return lambda: chain(**parts)


def pixels_to_rows(order):
    def forward(self, x):
        return torch.tanh(self.conv(x)).permute(order).flatten(1)

    return lambda: net(forward, conv=conv(3, 4))


def bn_head(momentum):
    return lambda: chain(
        conv=conv(3, 4), bn=nn.BatchNorm2d(4, momentum=momentum), act=nn.ReLU(), last=conv(4, 2, 1)
    )


def equal_layers(first, second, epsilon):
    def forward(self, x):
        return getattr(self, second)(torch.tanh(self.norm(getattr(self, first)(x))))

    return lambda: net(forward, one=nn.Linear(6, 6), two=nn.Linear(6, 6), norm=nn.LayerNorm(6, eps=epsilon))


def resized(align):
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align)


class NormWithAct(nn.BatchNorm2d):
    """A norm that calls its activation itself, as timm's does."""

    def __init__(self, channels, eps):
        super().__init__(channels, eps=eps)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x):
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return self.act(self.drop(x))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def with_norm(norm, *act):
    return lambda: chain(stem=conv(3, 4), norm=norm, **dict(act), mid=conv(4, 4), last=conv(4, 2, 1))


class Swish(nn.Module):
    """A SiLU that calls a sigmoid."""

    def __init__(self):
        super().__init__()
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return x * self.sigmoid(x)


def summed(act, epsilon):
    """What an activation returns goes into a sum, and into no module."""

    def forward(self, x):
        x = self.stem(x)
        x = x + self.act(self.norm(x))
        return self.last(x + self.act2(self.mid(x)))

    norm = nn.BatchNorm2d(4, eps=epsilon)
    return lambda: net(
        forward, stem=conv(3, 4), norm=norm, act=act(), mid=conv(4, 4), act2=act(), last=conv(4, 4, 1)
    )


CASES = [
    parting(
        "another epsilon, before a SiLU that is made of a sigmoid",
        ("norm", "norm"),
        "epsilon",
        summed(Swish, 1e-5),
        summed(nn.SiLU, 1e-2),
    ),
    Case(
        "a norm that calls its activation",
        with_norm(nn.BatchNorm2d(4), ("relu", nn.ReLU())),
        with_norm(NormWithAct(4, 1e-5)),
        IMAGE,
        same,
    ),
    parting(
        "another epsilon of a norm that calls its activation",
        ("norm", "norm"),
        "epsilon",
        with_norm(nn.BatchNorm2d(4), ("relu", nn.ReLU())),
        with_norm(NormWithAct(4, 1e-2)),
    ),
    parting(
        "another epsilon, the first side's norm calling its activation",
        ("norm", "norm"),
        "epsilon",
        with_norm(NormWithAct(4, 1e-2)),
        with_norm(nn.BatchNorm2d(4), ("relu", nn.ReLU())),
    ),
    parting(
        "another epsilon of a LayerNorm",
        ("norm", "norm"),
        "epsilon",
        dense_norm(1e-5),
        dense_norm(1e-2),
        ("4x6",),
    ),
    parting(
        "another epsilon of a GroupNorm",
        ("norm", "norm"),
        "epsilon",
        lambda: around(norm=nn.GroupNorm(2, 4, eps=1e-5)),
        lambda: around(norm=nn.GroupNorm(2, 4, eps=1e-2)),
    ),
    parting(
        "another number of groups of a GroupNorm",
        ("norm", "norm"),
        "group",
        lambda: around(norm=nn.GroupNorm(2, 4)),
        lambda: around(norm=nn.GroupNorm(4, 4)),
    ),
    parting(
        "another epsilon of every BatchNorm", ("norm0", "norm0"), "epsilon", several(1e-5), several(1e-3)
    ),
    middle("another padding", "padding", lambda: conv(4, 4), lambda: conv(4, 4, padding=0)),
    middle(
        "another mode of padding", "padding", lambda: conv(4, 4), lambda: conv(4, 4, padding_mode="reflect")
    ),
    middle("another stride", "stride", lambda: conv(4, 4, stride=2), lambda: conv(4, 4)),
    middle("another dilation", "dilation", lambda: conv(4, 4), lambda: conv(4, 4, padding=2, dilation=2)),
    middle("a max-pool that pads", "padding", lambda: nn.MaxPool2d(3, 2, 1), lambda: nn.MaxPool2d(3, 2)),
    middle(
        "strides of (2, 1) and (1, 2)",
        "stride",
        lambda: conv(4, 4, stride=(2, 1)),
        lambda: conv(4, 4, stride=(1, 2)),
    ),
    parting(
        "another epsilon of an InstanceNorm",
        ("norm", "norm"),
        "epsilon",
        lambda: around(norm=nn.InstanceNorm2d(4, eps=1e-5, affine=True), mid=conv(4, 4)),
        lambda: around(norm=nn.InstanceNorm2d(4, eps=1e-2, affine=True), mid=conv(4, 4)),
    ),
    middle(
        "the largest value of an image for the average",
        "pool average and maximum",
        lambda: nn.AdaptiveAvgPool2d(1),
        lambda: nn.AdaptiveMaxPool2d(1),
    ),
    middle("layers of a class that nobody knows", "Softshrink and Hardshrink", nn.Softshrink, nn.Hardshrink),
    parting(
        "GELU and a class of the user's own",
        ("act", "act"),
        "GELU and QuickGELU",
        dense_act(nn.GELU),
        dense_act(QuickGELU),
        ("4x6",),
    ),
    middle(
        "a max-pool that rounds up",
        "ceil_mode",
        lambda: nn.MaxPool2d(2, 2),
        lambda: nn.MaxPool2d(2, 2, ceil_mode=True),
    ),
    middle(
        "an average pool that counts zeros",
        "count_include_pad",
        lambda: nn.AvgPool2d(3, 2, 1),
        lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    ),
    middle(
        "the average for the maximum", "pool", lambda: nn.AvgPool2d(3, 2, 1), lambda: nn.MaxPool2d(3, 2, 1)
    ),
    middle("corners aligned", "align_corners", lambda: resized(True), lambda: resized(False)),
    parting(
        "tanh's GELU for the exact one",
        ("act", "act"),
        "approximat",
        dense_act(nn.GELU),
        dense_act(lambda: nn.GELU("tanh")),
        ("4x6",),
    ),
    parting(
        "another activation", ("act", "act"), "activation", dense_act(nn.SiLU), dense_act(nn.ReLU), ("4x6",)
    ),
    parting(
        "another slope",
        ("act", "act"),
        "slope",
        dense_act(lambda: nn.LeakyReLU(0.01)),
        dense_act(lambda: nn.LeakyReLU(0.2)),
        ("4x6",),
    ),
    parting(
        "another activation, as a function",
        ("two", "two"),
        "between one and two",
        functional(F.gelu),
        functional(torch.relu),
        ("4x6",),
    ),
    parting(
        "a padding that code does on the other side",
        ("pool", "pool"),
        "between stem and pool",
        padded_before((1, 1, 1, 1)),
        padded_before((0, 1, 0, 1)),
        ("2x3x8x8",),
    ),
    Case(
        "another epsilon, and equal layers that are defined in another order",
        equal_layers("one", "two", 1e-5),
        equal_layers("two", "one", 1e-2),
        ("4x6",),
        moved(one="two", two="one", norm="norm"),
        "another graph",
        parting=("norm", "norm"),
        why="epsilon",
    ),
    Case(
        "another padding of a kernel that is square, among equal ones",
        lambda: chain(one=conv(3, 3), a=nn.Tanh(), two=conv(3, 3), b=nn.Tanh(), three=conv(3, 3)),
        lambda: chain(three=conv(3, 3), a=nn.Tanh(), one=conv(3, 3, padding=0), b=nn.Tanh(), two=conv(3, 3)),
        ("2x3x7x7",),
        moved(one="three", two="one", three="two"),
        "another graph",
        parting=("two", "one"),
        why="padding",
    ),
    parting(
        "ReLU before the norm and after it",
        ("", ""),
        "",
        norm_and_act("norm", "relu"),
        norm_and_act("relu", "norm"),
    ),
    parting("the norm first and last", ("", ""), "", pre_or_post(True), pre_or_post(False), ("3x5",)),
    parting("without a shortcut", ("", ""), "", without_shortcut(True), without_shortcut(False), ("3x5",)),
    parting(
        "flattened in another order, with nothing behind it",
        ("", ""),
        "after conv",
        pixels_to_rows((0, 1, 2, 3)),
        pixels_to_rows((0, 2, 3, 1)),
        ("2x3x3x4",),
    ),
    Case(
        "another momentum, seen in training alone",
        bn_head(0.1),
        bn_head(0.9),
        IMAGE,
        same,
        training="momentum 0.1 and 0.9",
    ),
]
