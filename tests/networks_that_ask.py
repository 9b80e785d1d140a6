"""Modules whose code asks for the batch size, and is another function at some sizes."""

from __future__ import annotations

import dataclasses
import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from tests import code_elsewhere

TABLE = {80: 2}


class Net(nn.Module):
    """Has what code may compare a size with."""

    def __init__(self) -> None:
        super().__init__()
        self.size: Any = None
        self.many = tuple(range(301, 335, 2))
        self.settings = SimpleNamespace(most=79)


class Summed(Net):
    def forward(self, x):
        return x * 2 if sum(x.shape) == 83 else x * 3


class BetweenMethods(Net):
    def forward(self, x):
        self.note(x)
        return x * self.factor()

    def note(self, x):
        self.size = x.shape[0]

    def factor(self):
        return 2 if self.size == 77 else 3


class Closure(Net):
    def forward(self, x):
        size = x.shape[0]

        def factor():
            return 2 if size == 66 else 3

        return x * factor()


@dataclasses.dataclass
class Settings:
    most: int = 78


class OfADataclass(Net):
    def forward(self, x):
        return x * 2 if x.shape[0] == Settings().most else x * 3


class OfAnObject(Net):
    def forward(self, x):
        return x * 2 if int(x.shape[0]) == self.settings.most else x * 3


@functools.lru_cache
def factor_of(size):
    return 2 if size == 80 else 3


class Cached(Net):
    def forward(self, x):
        return x * factor_of(x.shape[0])


class Numel(Net):
    def forward(self, x):
        return x * 2 if x.numel() // x[0].numel() == 91 else x * 3


class NumelOfShape(Net):
    def forward(self, x):
        return x * 2 if x.size().numel() == 240 else x * 3


class Product(Net):
    def forward(self, x):
        return x * 2 if int(np.prod(x.shape)) == 240 else x * 3


class Root(Net):
    def forward(self, x):
        return x * 2 if math.sqrt(len(x)) == 9 else x * 3


class While(Net):
    def forward(self, x):
        size, factor = x.shape[0], 1
        while size > 90:
            size, factor = size - 90, factor + 1
        return x * factor


class Loop(Net):
    def forward(self, x):
        for _ in range(x.shape[0] // 60):
            x = x * 2
        return x


class Match(Net):
    def forward(self, x):
        match x.shape:
            case (80, 3):
                return x * 2
        return x * 3


class Try(Net):
    def forward(self, x):
        try:
            return x.view(12, -1).sum() + x
        except RuntimeError:
            return x * 2


class Pieces(Net):
    def forward(self, x):
        return x * 2 if len(x.split(16)) == 5 else x * 3


class Names(Net):
    def forward(self, x):
        return x * 2 if f"n{x.shape[0]}" == "n80" else x * 3


class Keys(Net):
    def forward(self, x):
        return x * TABLE.get(x.shape[0], 3)


class Many(Net):
    def forward(self, x):
        return x * 2 if x.shape[0] in self.many and x.shape[0] == 317 else x * 3


class Elsewhere(Net):
    def forward(self, x):
        return code_elsewhere.by_length(x)


class LoopElsewhere(Net):
    def forward(self, x):
        return code_elsewhere.by_a_loop(x)


class HeldElsewhere(Net):
    def __init__(self) -> None:
        super().__init__()
        self.scale = code_elsewhere.Scale()

    def forward(self, x):
        return self.scale(x)


class Static(Net):
    @staticmethod
    def count(x):
        return len(x)

    def forward(self, x):
        return x * 2 if self.count(x) == 80 else x * 3


class Row(Net):
    """Counts in a list by a size, which says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.row = [1.0] * 80 + [2.0] * 1000

    def forward(self, x):
        return x * self.row[x.shape[0]]


class Period(Net):
    def forward(self, x):
        return x * [1, 1, 1, 1, 2, 1, 1][x.shape[0] % 7]


ALL = (
    *(Summed, BetweenMethods, Closure, OfADataclass, OfAnObject, Cached, Numel, NumelOfShape, Product, Root),
    *(While, Loop, Match, Try, Pieces, Names, Keys, Many),
    *(Elsewhere, LoopElsewhere, HeldElsewhere, Static, Row, Period),
)


class Channels(Net):
    """Asks for sizes, and decides nothing by the batch's."""

    def forward(self, x):
        n, c = x.shape
        assert c == 3, f"of {n} images"
        parts = [one.reshape(n, -1) for one in x.reshape(len(x), c, 1).unbind(1)]
        return torch.cat(parts, 1) if c > 2 and x.dim() == 2 else x.new_zeros(n * c).view(n, c)
