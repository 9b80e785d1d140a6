"""Pairs in which nothing but names, order and spelling differs."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, moved, renamed, same
from .torch_nets import chain, conv, net, p


def three(**parts):
    order = ("first", "second", "third")
    made = chain(**{name: parts[name] for name in order})
    # defined in another order than they are called in
    made._modules = {name: made._modules[name] for name in parts}
    return made


def written_out_norm(self, x):
    x = x @ self.w0.T + self.b0
    centred = x - x.mean(-1, keepdim=True)
    x = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5) * self.g + self.s
    x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    return x @ self.w1.T + self.b1


def batch_norm_of_names(self, x):
    x = F.conv2d(x, self.p3, padding=1)
    column = (1, -1, 1, 1)
    x = (x - self.p1.view(column)) / torch.sqrt(self.p0.view(column) + 1e-5)
    x = torch.relu(x * self.p4.view(column) + self.p2.view(column))
    return x.mean((2, 3))


def numbered(self, x):
    x = torch.relu(x @ self.p2.T + self.p4)
    x = torch.relu(x @ self.p0.T + self.p5)
    return x @ self.p1.T + self.p3


def perceptron():
    return chain(
        one=nn.Linear(6, 6), act=nn.ReLU(), two=nn.Linear(6, 6), act2=nn.ReLU(), three=nn.Linear(6, 6)
    )


def deep(names):
    parts = {}
    for name in names:
        parts[name] = nn.Linear(5, 5)
        parts[f"{name}_act"] = nn.Tanh()
    return chain(**parts)


def tied(forward, **parts):
    made = net(forward, **parts)
    made.head.weight = made.embed.weight
    return made


def language(self, tokens):
    return self.head(torch.tanh(self.mix(self.embed(tokens))))


CASES = [
    Case(
        "layer norm and GELU written out",
        lambda: chain(one=nn.Linear(6, 8), norm=nn.LayerNorm(8), act=nn.GELU(), two=nn.Linear(8, 3)),
        lambda: net(written_out_norm, s=p(8), b1=p(3), g=p(8), w1=p(3, 8), b0=p(8), w0=p(8, 6)),
        ("4x6",),
        renamed(
            one__weight="w0",
            one__bias="b0",
            norm__weight="g",
            norm__bias="s",
            two__weight="w1",
            two__bias="b1",
        ),
    ),
    Case(
        "BatchNorm written out, with five vectors of one shape",
        lambda: net(
            lambda self, x: torch.relu(self.bn(self.conv(x))).mean((2, 3)),
            conv=conv(3, 6, bias=False),
            bn=nn.BatchNorm2d(6),
        ),
        lambda: net(
            batch_norm_of_names,
            p0=nn.Parameter(torch.rand(6) + 0.5),
            p1=p(6),
            p2=p(6),
            p3=p(6, 3, 3, 3),
            p4=p(6),
        ),
        ("2x3x6x6",),
        renamed(
            conv__weight="p3", bn__weight="p4", bn__bias="p2", bn__running_mean="p1", bn__running_var="p0"
        ),
    ),
    Case(
        "shuffled order of definition",
        lambda: three(first=conv(4, 4), second=conv(4, 4), third=conv(4, 4)),
        lambda: three(third=conv(4, 4), first=conv(4, 4), second=conv(4, 4)),
        ("2x4x6x6",),
        same,
    ),
    Case(
        "names that lie",
        lambda: chain(layer1=nn.Linear(5, 5), act1=nn.ReLU(), layer2=nn.Linear(5, 5)),
        lambda: chain(layer2=nn.Linear(5, 5), act1=nn.ReLU(), layer1=nn.Linear(5, 5)),
        ("3x5",),
        moved(layer1="layer2", layer2="layer1"),
    ),
    Case(
        "names p0 to pn in any order",
        perceptron,
        lambda: net(numbered, p0=p(6, 6), p1=p(6, 6), p2=p(6, 6), p3=p(6), p4=p(6), p5=p(6)),
        ("3x6",),
        renamed(
            one__weight="p2",
            one__bias="p4",
            two__weight="p0",
            two__bias="p5",
            three__weight="p1",
            three__bias="p3",
        ),
    ),
    Case(
        "eight equal layers in a row",
        lambda: deep("abcdefgh"),
        lambda: three_times_shuffled(),
        ("4x5",),
        moved(**{name: f"layer{index}" for index, name in enumerate("abcdefgh")}),
    ),
    Case(
        "weights tied on both sides",
        lambda: tied(
            language, embed=nn.Embedding(11, 6), mix=nn.Linear(6, 6), head=nn.Linear(6, 11, bias=False)
        ),
        lambda: tied(
            language, head=nn.Linear(6, 11, bias=False), mix=nn.Linear(6, 6), embed=nn.Embedding(11, 6)
        ),
        ("2x5:int64:0..11",),
        same,
    ),
    Case(
        "weights tied on the first side",
        lambda: tied(
            language, embed=nn.Embedding(11, 6), mix=nn.Linear(6, 6), head=nn.Linear(6, 11, bias=False)
        ),
        lambda: net(
            language, mix=nn.Linear(6, 6), head=nn.Linear(6, 11, bias=False), embed=nn.Embedding(11, 6)
        ),
        ("2x5:int64:0..11",),
        same,
    ),
    Case(
        "one stray edge",
        perceptron,
        lambda: net(
            lambda self, x: self.three(torch.relu(self.two(torch.relu(self.one(x))))) + 0.0 * self.one(x),
            three=nn.Linear(6, 6),
            two=nn.Linear(6, 6),
            one=nn.Linear(6, 6),
        ),
        ("3x6",),
        same,
    ),
    Case(
        "one module called three times",
        lambda: net(
            lambda self, x: self.out(self.mid(torch.tanh(self.mid(torch.tanh(self.mid(x)))))),
            mid=nn.Linear(5, 5),
            out=nn.Linear(5, 5),
        ),
        lambda: net(
            lambda self, x: self.a(self.b(torch.tanh(self.b(torch.tanh(self.b(x)))))),
            a=nn.Linear(5, 5),
            b=nn.Linear(5, 5),
        ),
        ("3x5",),
        moved(mid="b", out="a"),
    ),
    Case(
        "blocks nested on one side and flat on the other",
        lambda: chain(
            stem=conv(3, 4), body=chain(inner=chain(conv=conv(4, 4), bn=nn.BatchNorm2d(4))), act=nn.ReLU()
        ),
        lambda: nn.Sequential(conv(3, 4), conv(4, 4), nn.BatchNorm2d(4), nn.ReLU()),
        ("2x3x5x5",),
        moved(stem="0", body__inner__conv="1", body__inner__bn="2"),
    ),
    Case(
        "grouped and depthwise convolutions",
        lambda: chain(
            dw=conv(6, 6, groups=6),
            pw=conv(6, 6, 1),
            act=nn.ReLU(),
            grouped=conv(6, 6, groups=2),
            last=conv(6, 6, 1),
        ),
        lambda: nn.Sequential(
            conv(6, 6, groups=6), conv(6, 6, 1), nn.ReLU(), conv(6, 6, groups=2), conv(6, 6, 1)
        ),
        ("2x6x5x5",),
        moved(dw="0", pw="1", grouped="3", last="4"),
    ),
]


def three_times_shuffled():
    made = deep([f"layer{index}" for index in range(8)])
    names = list(made._modules)
    made._modules = {name: made._modules[name] for name in [*names[6:], *names[::-1]]}
    return made
