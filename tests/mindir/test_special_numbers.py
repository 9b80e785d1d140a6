"""Operators on NaN, infinities, zeros and whole numbers at their limits: the file gives what MindSpore gives.

Where MindSpore's kernel gives something else, the row says on which numbers and of which primitive; there it
must, and the primitive must say so (`differs`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.mindir.conftest import run_mindspore, run_onnx
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.mindir.operators import load_operators
from triport.converters.mindir.operators.reduction import OF_NOTHING
from triport.converters.mindir.reader import read_mindir
from triport.converters.networks.input_specs import InputSpec

NAN, INF = np.nan, np.inf
NUMBERS = np.array(
    [NAN, INF, -INF, 0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, 3, -3, 1e12, -1e12, 0.3, -7], np.float32
)
ROWS = np.array(
    [
        *([NAN, 1, 2, -1], [1, NAN, 2, -1], [-1, 2, 1, NAN], [INF, NAN, 1, -INF], [NAN] * 4, [2, 3, 1, 0]),
        *([INF, 5, -INF, 2], [1, INF, 2, -4], [1, 3e4, 2e4, -1], [1, -INF, 2, 3], [-INF] * 4),
    ],
    np.float32,
)
WHOLE = np.array([-7, -3, -1, 1, 2, 3, 2**31 - 1, -(2**31) + 1, 65536, 46341], np.int32)
WIDE = np.array([2**62, 2**53 + 1, 7, -7, -(2**60) - 5], np.int64)
PAIRED = "a = x.reshape(-1, 1); b = x.reshape(1, -1); "
PER_CELL = 14

WHERE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "": lambda a, b: np.zeros(np.broadcast_shapes(a.shape, b.shape), bool),
    "NaN": lambda a, b: np.isnan(a) | np.isnan(b),
    "inf": lambda a, b: np.isinf(a) | np.isinf(b),
    "by zero": lambda a, b: (np.isnan(a) | np.signbit(b)) & (b == 0),
    "0 log": lambda a, b: (a == 0) & ~((b > 0) & np.isfinite(b)),
    "both inf": lambda a, b: (np.isinf(a) & np.isinf(b)) | ((a == 0) & np.signbit(a + 0 * b)) | (a == b),
    "by 0, by inf or large": lambda a, b: (b == 0) | np.isinf(b) | (np.abs(a) > 1e10),
    "far below 0": lambda a, b: a + 0 * b < -80,
    "above 50": lambda a, b: a + 0 * b > 50,
    "large": lambda a, b: (np.abs(a * 1.0) > 2**24) | (np.abs(b * 1.0) > 2**24),
    "beyond float64": lambda a, b: np.abs(a) > 2**53,
    "overflow": lambda a, b: np.abs(a.astype(np.float64) ** 2 + 0 * b) >= 2**31,
    "no numbers": lambda a, b: (
        (np.isnan(a) | (a == INF)).any(-1, keepdims=True) | (a == -INF).all(-1, keepdims=True) | (b != 0)
    ),
    "NaN in the row": lambda a, b: np.isnan(a).any(-1, keepdims=True) & np.ones(b.shape, bool),
}


class Row(NamedTuple):
    """Expressions that give one tensor each; where they differ from MindSpore, and by which primitive."""

    expressions: str
    where: str = ""
    primitive: str = ""


ON_NUMBERS = (
    Row("ops.leaky_relu(x); ops.elu(x); ops.selu(x); ops.celu(x); ops.gelu(x); ops.silu(x); ops.softsign(x)"),
    Row("ops.softshrink(x); ops.hardshrink(x); ops.hardsigmoid(x); ops.sigmoid(x)"),
    Row("ops.threshold(x, 0.5, 3.0); ops.abs(x); -x; ops.floor(x); ops.ceil(x); ops.round(x); ops.trunc(x)"),
    Row("ops.frac(x); ops.sqrt(x); ops.rsqrt(x); ops.reciprocal(x); ops.square(x); ops.exp(x); ops.log(x)"),
    Row("ops.log1p(x); ops.log2(x); ops.isnan(x); ops.isinf(x); ops.isfinite(x); ops.nan_to_num(x)"),
    Row("ops.logical_not(x); x.astype(ms.bool_); x > 0; x == x; x != x; x % 3; x // -0.3; ops.fmod(x, 3)"),
    Row("x ** 2; x ** 0.5; x ** -1; x ** 0; 2.0 ** x; 1 / x; x * 0; x - x; ops.where(x > 0, x, 0.0)"),
    Row("ops.masked_fill(x, x > 0, 1.0); ops.cumsum(x, 0); ops.flip(x, (0,)); ops.atan(x)"),
    Row("ops.relu(x); mint.nn.functional.relu(x)", "NaN", "ReLU"),
    Row("ops.relu6(x)", "NaN", "ReLU6"),
    Row("ops.clamp(x, -1, 1); ops.clamp(x, min=0.5)", "NaN", "ClampScalar"),
    Row("ops.clamp(x, ms.Tensor(-1.0), ms.Tensor(1.0))", "NaN", "ClampTensor"),
    Row("ops.softplus(x)", "NaN", "Softplus"),
    Row("mint.nn.functional.softplus(x)", "NaN", "SoftplusExt"),
    Row("ops.sign(x)", "NaN", "Sign"),
    Row("ops.hardswish(x)", "inf", "HSwish"),
    Row("ops.fast_gelu(x)", "inf", "FastGeLU"),
    Row("ops.logsigmoid(x)", "far below 0", "LogSigmoid"),
    Row("ops.mish(x)", "above 50", "Mish"),
    Row("ops.searchsorted(ms.Tensor([-1.0, 0.0, 2.0]), x)", "NaN", "SearchSorted"),
)
ON_PAIRS = (
    Row("a + b; a - b; a * b; a % b; ops.fmod(a, b); ops.pow(a, b); ops.DivNoNan()(a, b); a > b; a <= b"),
    Row("ops.isclose(a, b, equal_nan=True); ops.isclose(a, b); ops.logical_and(a, b); ops.logical_xor(a, b)"),
    Row("ops.maximum(a, b); ops.minimum(a, b)", "NaN", "Maximum"),
    Row("a / b; a // b", "by zero", "Div"),
    Row("ops.div(a, b, rounding_mode='trunc')", "by zero", "DivMod"),
    Row("ops.addcdiv(a, a, b, 0.5)", "by zero", "Addcdiv"),
    Row("ops.xlogy(a, b)", "0 log", "Xlogy"),
    Row("ops.atan2(a, b)", "both inf", "Atan2"),
    Row("ops.Mod()(a, b)", "by 0, by inf or large", "Mod"),
)
ON_ROWS = (
    Row(
        "ops.amax(x, 1); ops.max(x, 1)[0]; ops.max(x, 1)[1]; x.argmax(1); ops.argmin(x, 1); mint.max(x, 1)[0]"
    ),
    Row("ops.cummax(x, 1)[0]; ops.cummin(x, 1)[0]; ops.cumsum(x, 1); ops.cumprod(x, 1); x.sum(1); x.mean(1)"),
    Row("ops.cummax(x, 1)[1]; ops.cummin(x, 1)[1]"),
    Row("ops.prod(x, 1); ops.std(x, 1); ops.logsumexp(x, 1); ops.norm(x, 2, 1); ops.any(x > 0, 1)"),
    Row("ops.amin(x, 1)", "NaN in the row", "ReduceMin"),
    Row("ops.min(x, 1)[0]", "NaN in the row", "ArgMinWithValue"),
    Row("ops.sort(x, 1)[0]", "NaN in the row", "Sort"),
    Row("ops.topk(x, 2)[0]", "NaN in the row", "TopK"),
    Row("ops.softmax(x, 1)", "no numbers", "Softmax"),
    Row("ops.log_softmax(x, 1)", "no numbers", "LogSoftmax"),
    Row("ops.L2Normalize(axis=1)(x)", "NaN in the row", "L2Normalize"),
)
ON_WHOLE = (
    Row("x // 3; x % -3; x + x; x * x; ops.abs(x); ops.sign(x); ops.relu(x); ops.clamp(x, -3, 5); 7 // x"),
    Row("ops.cumsum(x, 0); ops.sort(x)[0]; x.astype(ms.int8); x.astype(ms.uint8); x.astype(ms.float32)"),
    Row("x ** 2; mint.pow(x, 2)", "overflow", "Pow"),
    Row("ops.fmod(x, 3)", "large", "FmodScalar"),
    Row("ops.div(x, 3, rounding_mode='trunc')", "large", "DivMod"),
)
WHOLE_PAIRS = (
    Row("a // b; a % b; a * b; a + b; ops.div(a, b, rounding_mode='floor'); mint.remainder(a, b)"),
    Row("ops.maximum(a, b); ops.minimum(a, b); ops.Mod()(a, b); a > b"),
    Row("ops.fmod(a, b)", "large", "FmodTensor"),
)
ON_WIDE = (
    Row("x // 3; ops.floor_div(x, 3)", "beyond float64", "FloorDiv"),
    Row("x % 3", "beyond float64", "FloorMod"),
    Row("x + x; x * 3; x - 1; ops.abs(x); x > 5"),
)
TABLES = {
    "numbers": (NUMBERS, "", ON_NUMBERS),
    "pairs": (NUMBERS, PAIRED, ON_PAIRS),
    "rows": (ROWS, "", ON_ROWS),
    "whole": (WHOLE, "", ON_WHOLE),
    "whole-pairs": (WHOLE, PAIRED, WHOLE_PAIRS),
    "wide": (WIDE, "", ON_WIDE),
}


def _cells() -> list[Any]:
    found = []
    for name, (numbers, before, rows) in TABLES.items():
        every = [(one.strip(), row) for row in rows for one in row.expressions.split("; ")]
        for start in range(0, len(every), PER_CELL):
            some = every[start : start + PER_CELL]
            found.append(pytest.param(numbers, before, some, id=f"{name}-{some[0][0]}"))
    return found


def _is_same(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if expected.dtype.kind != "f":
        return found == expected
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(found - expected) <= 3e-6 + 3e-5 * np.abs(expected)
    return (found == expected) | (np.isnan(found) & np.isnan(expected)) | (np.isfinite(expected) & near)


@pytest.mark.parametrize(("numbers", "before", "rows"), _cells())
def test_equals_mindspore_but_where_it_is_said(
    build_cell: Callable[[str], Any], numbers: np.ndarray, before: str, rows: list[tuple[str, Row]]
) -> None:
    cell = build_cell(f"{before}({', '.join(expression for expression, _ in rows)},)")
    graph = read_mindir(mindir_bytes_from_cell(cell, InputSpec(numbers.shape, str(numbers.dtype))))
    results = run_onnx(onnx_from_graph(graph, free_batch=False), numbers)
    a, b = (numbers[:, np.newaxis], numbers[np.newaxis]) if before else (numbers, np.zeros_like(numbers))
    wrong = []
    for (expression, row), found, expected in zip(rows, results, run_mindspore(cell, numbers), strict=True):
        with np.errstate(all="ignore"):
            allowed = WHERE[row.where](a, b)
        if allowed.shape != expected.shape:  # something of each row
            allowed = allowed.any(-1, keepdims=expected.ndim == allowed.ndim)
        differs = ~_is_same(found, expected)
        if (differs & ~allowed).any():
            places = np.argwhere(differs & ~allowed)[:4].tolist()
            wrong.append(f"{expression}: {found} instead of {expected} at {places}")
        if row.where and not differs.any():
            wrong.append(f"{expression}: differs nowhere, and {row.primitive} says that it does")
    assert not wrong, "\n".join(wrong)


def test_what_differs_is_said_and_shown() -> None:
    operators = load_operators()
    shown = {row.primitive for _, _, rows in TABLES.values() for row in rows if row.where}
    assert not [name for name in shown if not operators[name].differs]
    texts = {operators[name].differs for name in shown}
    # what lay in memory may be right
    texts.add(OF_NOTHING)
    unshown = {name for name, one in operators.items() if one.differs and one.differs not in texts}
    assert unshown == set()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ops.any(x > 0, 1)", False),
        ("ops.all(x > 0, 1)", True),
        ("x.sum(1)", 0.0),
        ("ops.prod(x, 1)", 1.0),
        ("ops.amax(x, 1)", -INF),
    ],
)
def test_of_no_elements_the_neutral_one(
    build_cell: Callable[[str], Any], expression: str, expected: Any
) -> None:
    cell = build_cell(expression)
    graph = read_mindir(mindir_bytes_from_cell(cell, InputSpec((3, 0))))
    (found,) = run_onnx(onnx_from_graph(graph, free_batch=False), np.zeros((3, 0), np.float32))
    assert found.tolist() == [expected] * 3
