"""Modules whose code asks for the batch size, and is another function at some sizes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from types import SimpleNamespace
from typing import Any, ClassVar

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


class Renaming:
    """Settings that have a number under two names, as those of transformers do."""

    renamed: ClassVar = {"most": "limit"}
    limit = 77

    def __getattribute__(self, name):
        renamed = super().__getattribute__("renamed")
        return super().__getattribute__(renamed.get(name, name))


class OfSettings(Net):
    renaming = Renaming()

    def forward(self, x):
        return x * self.factor(self.renaming, x.shape[0])

    def factor(self, settings, size):
        return 2 if size == settings.most else 3


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


class RowMade(Net):
    def forward(self, x):
        row = [1.0] * 80 + [2.0] * 1000
        return x * row[x.shape[0]]


class RowOfLetters(Net):
    def forward(self, x):
        return x * (2 if ("a" * 80 + "b" * 1000)[len(x)] == "b" else 3)


class RowOfNumPy(Net):
    def forward(self, x):
        row = np.ones(1100, np.float32)
        row[80:] = 2
        return x * float(row[x.shape[0]])


class RowOfATensor(Net):
    """In a trace the place is a number."""

    def forward(self, x):
        row = torch.ones(1100)
        row[80:] = 2
        return x * row[int(x.shape[0])]


class RowByAMethod(Net):
    def forward(self, x):
        return x * ([1.0] * 80 + [2.0] * 1000).pop(x.shape[0])


class RowOfALambda(Net):
    def __init__(self) -> None:
        super().__init__()
        self.factor = lambda x: ([1.0] * 80 + [2.0] * 1000)[len(x)]

    def forward(self, x):
        return x * self.factor(x)


class KeptBySize(Net):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, float] = {}

    def forward(self, x):
        size = x.shape[0]
        if size not in self.kept:
            self.kept[size] = 2.0 if size == 80 else 3.0
        return x * self.kept[size]


class KeysOfTwo(Net):
    def forward(self, x):
        return x * {(80, 3): 2.0}.get((x.shape[0], x.shape[1]), 3.0)


class DeepInATable(Net):
    def __init__(self) -> None:
        super().__init__()
        self.table = {"a": {"b": {"c": {80: 2.0}}}}

    def forward(self, x):
        return x * self.table["a"]["b"]["c"].get(x.shape[0], 3.0)


class WithinSmall(Net):
    """The branch within the other is not on the way of most sizes."""

    def forward(self, x):
        size = x.shape[0]
        if size < 6:
            return x * 2 if size == 5 else x * 3
        return x * 3


class WithinLarge(Net):
    def forward(self, x):
        size = x.shape[0]
        if size < 61:
            return x * 3
        if size < 201:
            return x * 3
        return x * 2 if size == 333 else x * 3


class WholeRoot(Net):
    """No branch, and the same number at 1, 2 and 3."""

    def forward(self, x):
        return x * math.isqrt(x.shape[0])


def by_limit(x, limit):
    return x * 2 if x.shape[0] == limit else x * 3


class Partial(Net):
    def __init__(self) -> None:
        super().__init__()
        self.function = functools.partial(by_limit, limit=80)

    def forward(self, x):
        return self.function(x)


class Hooked(Net):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self.layer.register_forward_hook(lambda _, given, found: found * 2 if len(found) == 80 else found)

    def forward(self, x):
        return self.layer(x)


ALL = (
    *(RowMade, RowOfLetters, RowOfNumPy, RowOfATensor, RowByAMethod, RowOfALambda, KeptBySize, KeysOfTwo),
    *(DeepInATable, WithinSmall, WithinLarge, WholeRoot, Partial, Hooked),
    *(
        Summed,
        BetweenMethods,
        OfSettings,
        Closure,
        OfADataclass,
        OfAnObject,
        Cached,
        Numel,
        NumelOfShape,
        Product,
        Root,
    ),
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


class Islice(Net):
    def forward(self, x):
        return x * next(itertools.islice([1.0] * 80 + [2.0] * 1000, x.shape[0], None))


class Getter(Net):
    def forward(self, x):
        return x * operator.itemgetter(x.shape[0])([1.0] * 80 + [2.0] * 1000)


class Cut(Net):
    def forward(self, x):
        return x * max(([1.0] * 80 + [2.0] * 1000)[: x.shape[0]])


class Counted(Net):
    def forward(self, x):
        for place, _ in enumerate(x):
            last = place
        return x * 2 if last == 79 else x * 3


class InALoop(Net):
    def forward(self, x):
        return x * 2 if any(place == 79 for place in range(x.shape[0])) else x * 3


class LongRow(Net):
    def forward(self, x):
        return x * ([0] * x.shape[0] + [5] * 80)[79]


class Hexadecimal(Net):
    def forward(self, x):
        return x * 2 if hex(x.shape[0]) == "0x50" else x * 3


class Digits(Net):
    def forward(self, x):
        return x * len("%d" % x.shape[0])  # noqa: UP031 - that is what it tries


class PutInARow(Net):
    def forward(self, x):
        row = [1.0] * 1100
        row[x.shape[0]] = 2.0
        return x * row[80]


class KeyOfATable(Net):
    def forward(self, x):
        return x * {x.shape[0]: 2.0}.get(80, 3.0)


class OfATensor(Net):
    def forward(self, x):
        return x * 2 if torch.tensor(x.shape)[0] == 80 else x * 3


@torch.jit.script
def scripted(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.size(0) == 80 else x * 3


class Scripted(Net):
    def forward(self, x):
        return scripted(x)


NOT_FOLLOWED = (
    *(Islice, Getter, Cut, Counted, InALoop, LongRow, Hexadecimal, Digits, PutInARow, KeyOfATable, OfATensor),
    Scripted,
)


class OneValue(Net):
    def forward(self, x):
        return x * 2 if x.sum().item() > 1e6 else x * 3


class AnArray(Net):
    def forward(self, x):
        return x * 2 if x.numpy().max() > 1e6 else x * 3


class AList(Net):
    def forward(self, x):
        return x * 2 if x.tolist()[0][0] > 1e6 else x * 3


class Equal(Net):
    def forward(self, x):
        return x * 2 if torch.equal(x, torch.full_like(x, 7.25)) else x * 3


class Close(Net):
    def forward(self, x):
        return x * 2 if torch.allclose(x, torch.full_like(x, 7.25)) else x * 3


class HowMany(Net):
    def forward(self, x):
        return x * 2 if x[x > 1e6].numel() else x * 3


class HowManyPlaces(Net):
    def forward(self, x):
        return x * 2 if len((x > 1e6).nonzero()) else x * 3


class HowManyOthers(Net):
    def forward(self, x):
        return x * 2 if x.unique().shape[0] == 1 else x * 3


DECIDED_BY_VALUES = (OneValue, AnArray, AList, Equal, Close, HowMany, HowManyPlaces, HowManyOthers)
