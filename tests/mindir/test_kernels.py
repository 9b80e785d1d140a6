"""MindSpore's kernels that approximate: no right file is called wrong for them, and no wrong one right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from triport.converters.mindir.graph import TensorType
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs.convert import convert_cell
from triport.parity.graphs.kernels import as_mindspore_computes
from triport.parity.graphs.proof import compare
from triport.parity.graphs.runs import open_session, run_cell, run_onnx

SHAPE = (5, 7)
# what each operator of ONNX is of in MindSpore; numbers that are small, near which its exp is worst
CELLS = {
    "Tanh": "ops.tanh(12 * x)",
    "Exp": "ops.exp(x)",
    "Log": "ops.log(0.85 + 0.1 * ops.tanh(0.1 * x))",
    "Sigmoid": "ops.sigmoid(x)",
    "Softplus": "ops.softplus(x)",
    "Elu": "ops.elu(x)",
    "Softmax": "ops.softmax(x, -1)",
    "LogSoftmax": "ops.log_softmax(x, -1)",
}
MANY = (
    "nn.SequentialCell(nn.Dense(4, 4), nn.GELU(), nn.Tanh(), nn.CELU(), nn.Mish(), nn.SiLU(), nn.Softmax(), "
    "nn.LogSigmoid(), nn.ELU())"
)
SIGMOIDS = "nn.SequentialCell(nn.Dense(4, 8), nn.Sigmoid(), nn.Dense(8, 8), nn.Softmax(), nn.Dense(8, 3))"
FEW = "nn.SequentialCell(nn.Dense(4, 3), nn.LogSoftmax())"


@pytest.mark.parametrize("op_type", CELLS)
def test_a_copy_computes_as_mindspore_does(
    build_cell: Callable[[str], Any], tmp_path: Path, op_type: str
) -> None:
    cell = build_cell(CELLS[op_type])
    path = tmp_path / "x.onnx"
    convert_cell(cell, [InputSpec(SHAPE)], path)
    model = onnx.load(path)
    copies = as_mindspore_computes(model)
    assert copies is not None and any(node.op_type == op_type for node in model.graph.node)
    x = [0.3 * np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)]
    (right,) = run_cell(cell, x)
    found = []
    for name, copy in (("exact", copies.exact), ("imitating", copies.imitating)):
        onnx.save(copy, tmp_path / f"{name}.onnx")
        found += run_onnx(open_session(tmp_path / f"{name}.onnx", None), x)
    off, left = (np.sqrt(np.mean((array - right) ** 2)) for array in found)
    assert off > 3 * left and left < 2.0**-23 * np.abs(right).max()


@pytest.mark.parametrize(("expression", "rows"), [(MANY, 2), (FEW, 37)], ids=["many", "log-softmax of few"])
def test_a_right_file_is_equal(
    build_cell: Callable[[str], Any], tmp_path: Path, expression: str, rows: int
) -> None:
    found = convert_cell(build_cell(expression), [InputSpec((rows, 4))], tmp_path / "x.onnx").comparison
    assert found.verdict == "equal"
    assert found.tolerance is not None and found.tolerance < 5e-6


@pytest.mark.parametrize("expression", [SIGMOIDS, FEW, "nn.Dense(4, 4); ops.exp(layer(x))"])
def test_a_fault_is_not_excused(build_cell: Callable[[str], Any], tmp_path: Path, expression: str) -> None:
    """A weight by 1e-4 in a file whose right twin is off by MindSpore's kernels."""
    cell = build_cell(expression)
    path = tmp_path / "x.onnx"
    convert_cell(cell, [InputSpec((9, 4))], path)
    model = onnx.load(path)
    weight = next(one for one in model.graph.initializer if len(one.dims) == 2)
    array = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(array * np.float32(1 + 1e-4), weight.name))
    onnx.save(model, path)
    found = compare(path, [TensorType(onnx.TensorProto.FLOAT, (9, 4))], lambda: cell, is_batch_free=False)
    assert found.verdict == "not equal", str(found)


def test_an_exact_kernel_is_left_alone(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    """A GELU by tanh, a CELU and a softmax along another axis have kernels of their own in MindSpore."""
    path = tmp_path / "x.onnx"
    convert_cell(build_cell("ops.softmax(nn.CELU()(ops.gelu(x, 'tanh')), 0)"), [InputSpec((5, 7))], path)
    assert as_mindspore_computes(onnx.load(path)) is None
