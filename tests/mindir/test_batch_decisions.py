"""Code that decides by a size of a tensor, in all the ways that Python has.

Each piece of code sets `k`, which follows from the batch alone. It is noticed where two of the sizes that
are tried give another `k`.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.few_are_quick import one_in
from triport.converters.mindir.observed import asked_by_cell
from triport.converters.networks.input_specs import InputSpec

pytest.importorskip("mindspore")
import mindspore

TRIED = (2, 5, 1, 65)
MOST_SCALES = 109
MODULE = """
import math
from mindspore import nn, ops

TABLE = {80: 2}
LIMIT = 80


def images_of(x):
    return x.shape[0]


def of_half(half):
    return 2 if half == 40 else 1


def of_shape(shape):
    return 2 if shape[0] == 80 else 1


def of_table(x, table, n):
    return table.get(n, 1)


class Code(nn.Cell):
    def __init__(self):
        super().__init__()
        self.limit, self.sizes, self.table = 80, (80, 90), {80: 2}
        self.scales = [1.0] * 80 + [2.0] * 30
        self.factor = 1.5
        self.settings = {"most": 80}

    def count(self, x):
        n, c = x.shape
        return n

    def pick(self, x, count):
        return 2 if count == 80 else 1


class Inner(Code):
    def construct(self, x, n):
        return 2 if n == 80 else 1
"""


DECIDING = [
    "k = {80: 2}.get(x.shape[0], 1)",
    "y = ops.relu(x); k = {80: 2}.get(y.shape[0], 1)",
    "y = x.reshape(-1); k = {240: 2}.get(y.shape[0], 1)",
    "k = TABLE.get(x.shape[0], 1)",
    "k = self.table.get(len(x), 1)",
    "n = x.shape[0]; k = self.table[n] if n in self.table else 1",
    "k = {'80': 2}.get(str(x.shape[0]), 1)",
    "k = {'n80': 2}.get(f'n{x.shape[0]}', 1)",
    "k = {(80, 3): 2}.get(x.shape, 1)",
    "k = 2 if str(len(x)) == '80' else 1",
    "k = 2 if x.nbytes == 960 else 1",
    "k = 2 if x.nbytes > 1000 else 1",
    "k = 2 if x.itemsize * x.size == 960 else 1",
    "y = ops.relu(x); k = 2 if y.nbytes > 1000 else 1",
    "k = 2 if ops.numel(x) == 240 else 1",
    "k = [1, 1, 1, 2, 1, 1, 1][x.shape[0] % 7]",
    "k = [1.0, 2.0, 3.0][x.shape[0] % 3]",
    "k = self.scales[x.shape[0]]",
    "k = self.scales[min(len(x), 100)]",
    "n, c = x.shape; k = 2 if n & 8 else 1",
    "n, c = x.shape; k = 1 + (n >> 3 & 1)",
    "k = 2 if x.shape[0] ^ 80 == 0 else 1",
    "k = 1\nfor i in range(x.shape[0] // 90):\n    k = k * 2",
    "k = 1\nn = len(x)\nwhile n >= 90:\n    n -= 90\n    k = k * 2",
    "k = 1\nfor step in self.sizes:\n    if x.shape[0] == step:\n        k = 2",
    "k = min(x.shape[0], 70) - x.shape[0] + 1",
    "n = self.count(x); k = 2 if n == 80 else 1",
    "k = 2 if images_of(x) == 80 else 1",
    "k = of_half(x.shape[0] // 2)",
    "k = of_shape(x.shape)",
    "k = of_table(x, self.table, x.shape[0])",
    "k = self.pick(x, count=x.size // 3)",
    "k = self.pick(x, self.count(x))",
    "k = self.layer(x, x.shape[0])",
    "k = 1\nfor layer in self.layers:\n    k = k * layer(x, x.shape[0])",
    "k = 2 if 80 in x.shape else 1",
    "n, c = x.shape; k = 2 if (n, c) == (80, 3) else 1",
    "n, *rest = x.shape; k = {80: 2}.get(n, 1)",
    "k = 2 if (n := x.shape[0]) == 80 else 1",
    "k = 2 if x.shape[-2] == 80 else 1",
    "k = 2 if x.shape[0] ** 2 == 6400 else 1",
    "k = 2 if math.sqrt(x.shape[0]) > 9 else 1",
    "k = round(x.shape[0] / 180) + 1",
    "k = 2 if x.shape[0] * self.factor > 120 else 1",
    "k = 2 if x.shape[0] > 80.5 else 1",
    "sizes = [len(x), 3]; k = 2 if sizes[0] == 80 else 1",
    "sizes = {'n': len(x)}; k = 2 if sizes['n'] == 80 else 1",
    "k = 2 if max(x.shape) == 80 else 1",
    "k = 2 if x.shape[0] in range(80, 90) else 1",
    "k = 2 if divmod(x.shape[0], 8)[1] == 4 else 1",
    "pick = lambda n: 2 if n == 80 else 1; k = pick(x.shape[0])",
    "k = 2 if getattr(x, 'shape')[0] == 80 else 1",
    "k = 2 if x.shape[0] == self.settings['most'] else 1",
    "n = x.shape[0] - LIMIT; k = 1 if n else 2",
    "k = (x.shape[0] == 80 and 2) or 1",
    "k = 2 if all(n == 80 or n == 3 for n in x.shape) else 1",
    "k = len('x' * x.shape[0]) // 90 + 1",
    "k = 2 if list(x.shape) == [80, 3] else 1",
    "k = 2 if not x.shape[0] - 80 else 1",
]


def cell_of(folder: Path, code: str) -> Any:
    """Make a Cell of code that sets `k`."""
    lines = "\n".join(code.split("; ")).splitlines()
    body = "".join(f"        {line}\n" for line in [*lines, "return k"])
    path = folder / "code.py"
    path.write_text(f"{MODULE}\n\nclass Deciding(Code):\n    def construct(self, x):\n{body}")
    spec = importlib.util.spec_from_file_location("code_that_decides", path)
    assert spec is not None and spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    cell = module.Deciding()
    if "self.layer(" in code:
        cell.layer = module.Inner()
    if "self.layers" in code:
        cell.layers = mindspore.nn.CellList([module.Inner()])
    return cell


@pytest.mark.parametrize("code", one_in(10, DECIDING))
def test_a_size_is_tried_at_which_the_code_decides_otherwise(tmp_path: Path, code: str) -> None:
    cell = cell_of(tmp_path, code)

    def decided(size: int) -> float | None:
        if size > MOST_SCALES and "self.scales[x" in code:  # there the code fails
            return None
        return float(cell.construct(mindspore.Tensor(np.ones((size, 3), np.float32))))

    sizes = asked_by_cell(cell, lambda size: [InputSpec((size, 3))], TRIED, 3).sizes
    mode = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    try:
        assert len({decided(size) for size in range(1, 101)}) > 1
        assert len({decided(size) for size in (*TRIED, *sizes)}) > 1
    finally:
        mindspore.set_context(mode=mode)
