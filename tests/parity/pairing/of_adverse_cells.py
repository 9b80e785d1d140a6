"""Pairs made to mislead of which one side, or both, is MindSpore's."""

import numpy as np
import torch
from torch import nn

from . import adverse_cells as cells
from .cases import Case, both, moved, renamed
from .of_adversaries import OTHERS, PRODUCTS, of_products, products, used_twice, with_spares
from .of_cells import norm
from .of_stored import flattened, flattening
from .torch_nets import chain, conv, net

ROW, IMAGE = ("3x6",), ("2x3x6x6",)
QUICK = {
    "square matrices in both frameworks, some multiplied from the right",
    "two Cells whose gate and value are packed and interleaved",
}


def of_cells(name, a, b, inputs, truth, *verdict, **words):
    return Case(name, a, b, inputs, truth, *verdict, mindspore=True, slow=name not in QUICK, **words)


def interleave(t):
    return {**t, "both.weight": np.stack(np.split(t["both.weight"], 2), 1).reshape(10, 6)}


def two_norms(first, second, other=1e-3):
    def forward(self, x):
        one, two = getattr(self, first), getattr(self, second)
        return self.out(torch.tanh(one(x)) + torch.sin(two(x)))

    return lambda: net(
        forward,
        out=nn.Linear(6, 4),
        **{name: nn.LayerNorm(6, eps=1e-5 if name == first else other) for name in (second, first)},
    )


def image(momentum):
    return lambda: chain(a=conv(3, 4), norm=nn.BatchNorm2d(4, momentum=momentum), act=nn.ReLU(), b=conv(4, 2))


def steps(names):
    """The same matrices one after the other, as the second framework has them."""

    def forward(self, x):
        for name in names:
            x = torch.tanh(getattr(self, name)(x)) + 0.5 * x
        return x

    return lambda: net(forward, **{name: nn.Linear(6, 6, bias=False) for name in sorted(names)})


def with_table(self, x):
    table = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], dtype=x.dtype)
    return self.two(torch.tanh(self.one(x + table)))


ORDER, CALLED = ("p3", "p1", "p5", "p0", "p4", "p2"), ("b", "f", "a", "d", "c", "e")

CASES = [
    of_cells(
        "square matrices in both frameworks, some multiplied from the right",
        products(PRODUCTS),
        lambda: cells.Squares(OTHERS),
        ROW,
        of_products(PRODUCTS, OTHERS),
    ),
    of_cells(
        "square matrices of two Cells, some multiplied from the right",
        lambda: cells.Squares(PRODUCTS),
        lambda: cells.Squares(OTHERS),
        ROW,
        of_products(PRODUCTS, OTHERS),
    ),
    of_cells(
        "norms of one shape in both frameworks, each with the other's epsilon and name",
        two_norms("left", "right"),
        lambda: cells.TwoNorms("right", "left"),
        ROW,
        both(norm("left", "right"), norm("right", "left"), moved(out="out")),
    ),
    of_cells(
        "two Cells whose norms have the other's epsilon and name",
        lambda: cells.TwoNorms("left", "right"),
        lambda: cells.TwoNorms("right", "left"),
        ROW,
        moved(left="right", right="left", out="out"),
    ),
    of_cells(
        "two Cells of which one norm has another epsilon",
        lambda: cells.TwoNorms("left", "right", 1e-1),
        lambda: cells.TwoNorms("right", "left", 1e-3),
        ROW,
        moved(left="right", right="left", out="out"),
        "another graph",
        parting=("right", "left"),
        why="epsilon",
    ),
    of_cells(
        "two Cells whose gate and value are packed and interleaved",
        lambda: cells.Halves(False),
        lambda: cells.Halves(True),
        ROW,
        interleave,
    ),
    of_cells(
        "a gate and its value apart in PyTorch, interleaved in MindSpore",
        lambda: net(
            lambda self, x: self.down(torch.sigmoid(self.gate(x)) * self.value(x)),
            **{name: nn.Linear(6, 5, bias=False) for name in ("value", "gate")},
            down=nn.Linear(5, 4),
        ),
        lambda: cells.Halves(True),
        ROW,
        lambda t: {
            **moved(down="down")(t),
            "both.weight": np.stack([t["gate.weight"], t["value.weight"]], 1).reshape(10, 6),
        },
    ),
    of_cells(
        "a spare layer in both frameworks, each time another",
        with_spares(("a", "b"), ("c",)),
        lambda: cells.Spare("c", "a", "b"),
        ROW,
        moved(a="c", b="a", c="b"),
        unproven=frozenset({"c.weight", "c.bias"}),
    ),
    of_cells(
        "a matrix used at two places in both frameworks",
        used_twice("a", "b"),
        lambda: cells.Twice("b", "a"),
        ROW,
        renamed(a="b", b="a"),
    ),
    of_cells(
        "two Cells with another momentum",
        lambda: cells.Momentum(0.9),
        lambda: cells.Momentum(0.99, "last", "conv"),
        IMAGE,
        moved(conv="last", last="conv", norm="norm"),
        training="momentum 0.1 and 0.01",
    ),
    of_cells(
        "momentum as either framework counts it",
        image(0.01),
        lambda: cells.Momentum(0.99),
        IMAGE,
        both(moved(a="conv", b="last"), norm("norm", "norm")),
    ),
    of_cells(
        "flattened with height and width exchanged in MindSpore",
        flattened((0, 1, 2, 3), 4, 2, 3),
        lambda: cells.Flat(True),
        ("2x3x2x3",),
        flattening((0, 1, 3, 2), 4, 2, 3),
    ),
    of_cells(
        "two Cells, one of which flattens with height and width exchanged",
        lambda: cells.Flat(False),
        lambda: cells.Flat(True),
        ("2x3x2x3",),
        flattening((0, 1, 3, 2), 4, 2, 3),
    ),
    of_cells(
        "a Cell whose parameters are called p0 to p5, and a Module",
        lambda: cells.Named(ORDER),
        steps(CALLED),
        ROW,
        moved(**dict(zip(ORDER, (f"{name}__weight" for name in CALLED), strict=True))),
    ),
    of_cells(
        "two Cells whose parameters are called p0 to p5 in another order",
        lambda: cells.Named(ORDER),
        lambda: cells.Named(ORDER[::-1]),
        ROW,
        renamed(**dict(zip(ORDER, ORDER[::-1], strict=True))),
    ),
    of_cells(
        "a frozen layer and a table of the Cell's own",
        lambda: net(with_table, one=nn.Linear(6, 6), two=nn.Linear(6, 6)),
        cells.Frozen,
        ROW,
        moved(one="one", two="two"),
    ),
]
