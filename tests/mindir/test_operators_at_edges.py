"""Operators where they saturate, overflow, round or divide: the converted graph gives what MindSpore gives.

Only what is finite in MindSpore is compared: how a kernel overflows is its own. MindSpore's tanh, an
approximation, is compared elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.mindir.conftest import run_mindspore, run_onnx
from triport.converters.mindir.emit import onnx_from_graph
from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.mindir.reader import read_mindir
from triport.converters.networks.input_specs import InputSpec

PER_CELL = 16
FLOATS = np.array(
    [
        *(0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 1, -1, 2, -2, 3, -3, 6, -6, 15, -15, 18, -18, 20, -20),
        *(50, -50, 87, -87, 89, -89, 100, -100, 104, -104, 0.3, -0.3, 0.9, -0.9),
    ],
    np.float32,
)
HUGE = np.array(
    [
        *(1e4, -1e4, 7e4, -7e4, 2.2e9, -2.2e9, 1e20, -1e20, 300, -300, 128.5, -129.5, 255, 256),
        np.inf,
        -np.inf,
    ],
    np.float32,
)
WHOLE = np.array([-7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9], np.int32)
LIMITS = np.array([-7, -1, 0, 1, 8, 100, -100, 2**31 - 1, -(2**31) + 1, 65536], np.int32)

ON_FLOATS = """
ops.log(ops.sigmoid(x)); ops.log(ops.sigmoid(x) + 1e-12); ops.log(1 - ops.sigmoid(x) + 1e-12)
ops.logsigmoid(x); ops.log(ops.softmax(x, -1)); ops.log_softmax(x * 10, -1); ops.softmax(x * 10, -1)
ops.log(1 + ops.exp(x)); ops.log1p(ops.exp(x)); ops.logsumexp(x, 0); ops.log(ops.exp(x)); ops.expm1(x)
ops.logaddexp(x, x[::-1]); ops.sqrt(x); ops.rsqrt(x); ops.pow(x, 3); ops.pow(x, 2.5); ops.pow(x, -1)
ops.pow(2.0, x); ops.pow(-2.0, x); ops.pow(x, x); ops.reciprocal(x); 1 / x; ops.square(x); ops.log1p(x)
x % 3; x % -3; x % 0.3; x // 3; x // -0.3; x // 0.1; ops.fmod(x, 3); ops.fmod(x, -0.3); ops.remainder(x, 0.3)
ops.div(x, 0.1, rounding_mode='floor'); ops.div(x, 0.1, rounding_mode='trunc')
ops.round(x); ops.trunc(x); ops.frac(x); ops.floor(x); ops.ceil(x); ops.sign(x); ops.erf(x); ops.erfc(x)
ops.gelu(x); ops.gelu(x, 'tanh'); ops.softplus(x); mint.nn.functional.softplus(x, 2, 30); ops.hardswish(x)
ops.hardsigmoid(x); ops.relu6(x); ops.elu(x); ops.selu(x); ops.celu(x); ops.leaky_relu(x); ops.hardtanh(x)
ops.softsign(x); ops.softshrink(x); ops.hardshrink(x); ops.threshold(x, 0.5, 3.0); ops.silu(x)
ops.fast_gelu(x)
ops.sin(x); ops.cos(x); ops.atan(x); ops.asinh(x); ops.asin(x); ops.atanh(x); ops.acosh(x); ops.sinc(x)
ops.atan2(x, x[::-1]); ops.atan2(x, x * 0); ops.logit(x); ops.logit(x, 0.1); ops.log2(x); ops.log10(x)
ops.clamp(x, -1, 1); ops.clamp(x, 2, 1); ops.minimum(x, x[::-1]); ops.isclose(x, x[::-1]); ops.mish(x)
ops.argmax(ops.relu(x)); ops.argmin(ops.relu(x)); ops.max(ops.relu(x), 0)[0]; ops.topk(ops.relu(x), 4)[0]
ops.addcdiv(x, x, x[::-1]); ops.lerp(x, x[::-1], 0.3); ops.DivNoNan()(x, ops.relu(x)); ops.cumsum(x, 0)
"""
ON_HUGE = """
x.astype(ms.int32); x.astype(ms.int64); x.astype(ms.bool_); ops.nan_to_num(x); ops.isfinite(x)
ops.isinf(x); ops.sign(x); ops.clamp(x, -1, 1); ops.relu(x); ops.sigmoid(x); ops.erf(x); ops.isclose(x, x)
ops.softplus(x); ops.logsigmoid(x); ops.elu(x); ops.maximum(x, 0); ops.logical_not(x)
"""
ON_WHOLE = """
x[::-1] // x; x[::-1] % x; ops.fmod(x[::-1], x); ops.div(x[::-1], x, rounding_mode='trunc'); x / x[::-1]
ops.div(x[::-1], x, rounding_mode='floor'); ops.pow(x, ops.abs(x[::-1]) % 4); ops.trunc(x); x.astype(ms.uint8)
mint.remainder(x[::-1], x); 7 // x; -7 // x; ops.one_hot(x, 4, ms.Tensor(1.0), ms.Tensor(0.0)); ops.argmax(x)
"""
ON_LIMITS = """
x // 3; x // -3; x / 3; ops.abs(x); ops.sign(x); x.astype(ms.float32); x.astype(ms.int8); x.astype(ms.bool_)
x + x; x * x; ops.clamp(x, -3, 5); x.astype(ms.int64) * 3; ops.equal(x, 3); x < 0
"""


def _groups(text: str, numbers: np.ndarray) -> list[Any]:
    expressions = [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]
    return [
        pytest.param(numbers, expressions[start : start + PER_CELL], id=expressions[start])
        for start in range(0, len(expressions), PER_CELL)
    ]


@pytest.mark.parametrize(
    ("numbers", "expressions"),
    [
        *_groups(ON_FLOATS, FLOATS),
        *_groups(ON_HUGE, HUGE),
        *_groups(ON_WHOLE, WHOLE),
        *_groups(ON_LIMITS, LIMITS),
    ],
)
def test_equals_mindspore_at_the_edges(
    build_cell: Callable[[str], Any], numbers: np.ndarray, expressions: list[str]
) -> None:
    cell = build_cell(f"({', '.join(expressions)},)")
    graph = read_mindir(mindir_bytes_from_cell(cell, InputSpec(numbers.shape, str(numbers.dtype))))
    results = run_onnx(onnx_from_graph(graph, free_batch=False), numbers)
    wrong = []
    for expression, found, expected in zip(expressions, results, run_mindspore(cell, numbers), strict=True):
        finite = np.isfinite(expected) if expected.dtype.kind == "f" else np.ones(expected.shape, bool)
        found, expected = (array.astype(np.float64)[finite] for array in (found, expected))
        if not np.allclose(found, expected, rtol=3e-5, atol=3e-6):
            wrong.append(f"{expression}: {found} instead of {expected}")
    assert not wrong, "\n".join(wrong)
