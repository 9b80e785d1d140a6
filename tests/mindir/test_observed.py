"""Cells whose code decides by a size, seen as it runs: a size is tried at which it goes another way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests import code_elsewhere
from tests.few_are_quick import one_in
from triport.converters.mindir.observed import asked_by_cell
from triport.converters.networks.input_specs import InputSpec

pytest.importorskip("mindspore")
import mindspore
from mindspore import nn, ops

TABLE = {80: 2}


class Net(nn.Cell):
    """Has what code may compare a size with."""

    def __init__(self) -> None:
        super().__init__()
        self.size: Any = None
        self.many = tuple(range(301, 335, 2))


class Summed(Net):
    def construct(self, x):
        return x * 2 if sum(x.shape) == 83 else x * 3


class BetweenMethods(Net):
    def construct(self, x):
        self.note(x)
        return x * self.factor()

    def note(self, x):
        self.size = x.shape[0]

    def factor(self):
        return 2 if self.size == 77 else 3


class Within(Net):
    def __init__(self) -> None:
        super().__init__()
        self.inner = BetweenMethods()

    def construct(self, x):
        return self.inner(x)


class Numel(Net):
    def construct(self, x):
        return x * 2 if x.numel() // x[0].numel() == 91 else x * 3


class Product(Net):
    def construct(self, x):
        return x * 2 if int(np.prod(ops.shape(x))) == 240 else x * 3


class Root(Net):
    def construct(self, x):
        return x * 2 if math.sqrt(len(x)) == 9 else x * 3


class While(Net):
    def construct(self, x):
        size, factor = x.shape[0], 1
        while size > 90:
            size, factor = size - 90, factor + 1
        return x * factor


class Behind(Net):
    def construct(self, x):
        if x.shape[0] > 50:
            return x * 2 if x.shape[0] == 99 else x * 3
        return x * 3


class Made(Net):
    def construct(self, x):
        flat = ops.cat([x, x, x[:1]]).reshape(-1)
        return x * 2 if flat.shape[0] == 483 else x * 3


class Keys(Net):
    def construct(self, x):
        return x * TABLE.get(x.shape[0], 3)


class Many(Net):
    def construct(self, x):
        return x * 2 if x.shape[0] in self.many and x.shape[0] == 317 else x * 3


def asked(cell: Any) -> Any:
    return asked_by_cell(cell, lambda size: [InputSpec((size, 3))], (2, 1, 5, 65), 3)


class Elsewhere(Net):
    def construct(self, x):
        return code_elsewhere.by_length(x)


class LoopElsewhere(Net):
    def construct(self, x):
        return code_elsewhere.by_a_loop(x)


class HeldElsewhere(Net):
    def __init__(self) -> None:
        super().__init__()
        self.scale = code_elsewhere.Scale()

    def construct(self, x):
        return self.scale(x)


@mindspore.jit
def compiled(x):
    return x * 2 if x.shape[0] == 80 else x * 3


class Compiled(Net):
    def construct(self, x):
        return compiled(x)


class RowOfATensor(Net):
    def __init__(self) -> None:
        super().__init__()
        self.row = mindspore.Tensor(np.repeat(np.float32([1, 2]), (80, 1000)))

    def construct(self, x):
        return x * self.row[x.shape[0]]


class Walked(Net):
    def construct(self, x):
        factor = 0
        for _ in x:
            factor = factor + 1
        return x * 2 if factor == 80 else x * 3


def test_a_loop_over_the_images_is_not_followed_and_said() -> None:
    assert "how many tensors there are" in asked(Walked()).unseen


ALL = (
    Compiled,
    RowOfATensor,
    Summed,
    BetweenMethods,
    Within,
    Numel,
    Product,
    Root,
    While,
    Behind,
    Made,
    Keys,
    Many,
    Elsewhere,
    LoopElsewhere,
    HeldElsewhere,
)


@pytest.mark.parametrize("kind", one_in(5, ALL))
def test_a_size_is_tried_at_which_the_code_goes_another_way(kind: type[Net]) -> None:
    cell = kind()
    sizes = (2, *asked(cell).sizes)
    mode = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    try:
        given = (mindspore.Tensor(np.ones((size, 3), np.float32)) for size in sizes)
        assert len({float(cell(x).asnumpy()[0, 0]) for x in given}) > 1
    finally:
        mindspore.set_context(mode=mode)


def test_what_a_cell_keeps_of_a_run_is_put_back() -> None:
    cell = Within()
    assert asked(cell).sizes
    assert cell.inner.size is None
    assert mindspore.Tensor(np.ones((2, 3), np.float32)).shape == (2, 3)


class Reshaped(Net):
    def construct(self, x):
        n, c = x.shape
        if c != 3:
            raise ValueError(f"of {n} images")
        return ops.relu(x).reshape(n, c, 1).view(len(x), -1)


def test_nothing_is_asked_of_code_that_decides_by_other_sizes() -> None:
    assert asked(Reshaped()) == ((), "")


class NotRun(Net):
    """It fails, as what MindSpore can compile alone does."""

    def construct(self, x):
        return ops.no_such_operator(x) * x.shape[0]


class NotRunAndNothingAsked(Net):
    def construct(self, x):
        return ops.no_such_operator(x)


@pytest.mark.parametrize(("kind", "said"), [(NotRun, True), (NotRunAndNothingAsked, False)])
def test_what_does_not_run_step_by_step_is_said_where_it_asks_for_sizes(kind: type[Net], said: bool) -> None:
    assert ("step by step its code does not run (AttributeError)" in asked(kind()).unseen) is said
