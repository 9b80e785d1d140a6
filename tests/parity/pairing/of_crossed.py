"""Branches that differ in one thing, called in the other order, behind which a norm has another epsilon.

A map by the order of calls gives each branch the other's weights. With it too all that parts has a true
reason: a dilation, an activation, code of its own. Yet the networks differ in the norm alone.
"""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .cases import Case, same
from .torch_nets import conv, net

IMAGE = ("2x3x8x8",)


class Own(nn.Module):
    """An activation that keeps a function, of which its settings say nothing."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def layers(first, second):
    """One layer a branch."""
    return {"first": (first, second), "between": (None, None)}


def between(first, second):
    """Two convolutions a branch, and this between them: a module or a function."""
    return {"first": (lambda: conv(5, 5),) * 2, "between": (first, second)}


def branches(is_turned, epsilon, first, between):
    """Two branches that are summed; the second is defined and called first where they are turned."""
    order = (1, 0) if is_turned else (0, 1)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        total = [torch.zeros(()), torch.zeros(())]
        for place in order:
            total[place] = self.branch(place, x)
        return self.last(torch.tanh(self.norm(total[0] + total[1])))

    def branch(self, place, x):
        x = getattr(self, f"one{place}")(x)
        if between[place] is None:
            return torch.tanh(x)
        act = getattr(self, f"act{place}", between[place])
        return getattr(self, f"two{place}")(act(x))

    def build():
        parts = {}
        for place in order:
            parts[f"one{place}"] = first[place]()
            if isinstance(between[place], nn.Module):
                parts[f"act{place}"] = between[place]
            if between[place] is not None:
                parts[f"two{place}"] = conv(5, 5)
        made = net(forward, stem=conv(3, 5), **parts, norm=nn.BatchNorm2d(5, eps=epsilon), last=conv(5, 2, 1))
        type(made).branch = branch
        return made

    return build


def crossed(name, made, slow=True):
    return Case(
        f"branches in turn, {name}",
        branches(False, 1e-5, **made),
        branches(True, 1e-2, **made),
        IMAGE,
        same,
        "another graph",
        parting=("norm", "norm"),
        why="epsilon",
        slow=slow,
    )


CASES = [
    crossed("another dilation", layers(lambda: conv(5, 5), lambda: conv(5, 5, padding=2, dilation=2)), False),
    crossed(
        "another dilation, and a bias that one lacks",
        layers(lambda: conv(5, 5, bias=False), lambda: conv(5, 5, padding=2, dilation=2)),
    ),
    crossed("another padding", layers(lambda: conv(5, 5), lambda: conv(5, 5, padding_mode="circular"))),
    crossed("other groups of a norm", layers(lambda: nn.GroupNorm(1, 5), lambda: nn.GroupNorm(5, 5))),
    crossed("another activation", between(nn.ReLU(), nn.Tanh())),
    crossed("another slope", between(nn.LeakyReLU(0.1), nn.LeakyReLU(0.3))),
    crossed("an activation of a class of its own", between(Own(torch.relu), Own(torch.tanh)), False),
    crossed("a factor in code", between(lambda x: x * 0.5, lambda x: x * 2), False),
    crossed("a function in code", between(torch.relu, torch.abs)),
    crossed(
        "a pool in code",
        between(lambda x: F.avg_pool2d(x, 3, 1, 1), lambda x: F.max_pool2d(x, 3, 1, 1)),
    ),
]
