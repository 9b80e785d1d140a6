"""The comparison with MindSpore: what it says of equal, wrong and ill-conditioned files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.mindir.conftest import make_input
from triport.converters.mindir.graph import TensorType
from triport.converters.networks.input_specs import InputSpec
from triport.parity.graphs import proof
from triport.parity.graphs.convert import convert_cell
from triport.parity.graphs.proof import compare
from triport.parity.graphs.verdicts import OutputsVerdict
from triport.parity.judge.difference import difference
from triport.parity.judge.tolerance import FLOAT32

FLOAT = onnx.TensorProto.FLOAT
POOL = "nn.SequentialCell(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2, pad_mode='valid'))"


def save_pool(path: Path, number: float = 0.0) -> Path:
    """Write a Pad before a MaxPool, which ONNX Runtime's optimiser merges as if zeros never won."""
    nodes = [
        helper.make_node("Pad", ["input", "pads", "number"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["logits"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("input", FLOAT, [2, 16, 8, 8])],
        [helper.make_tensor_value_info("logits", FLOAT, [2, 16, 4, 4])],
        [
            numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"),
            numpy_helper.from_array(np.float32(number), "number"),
        ],
    )
    onnx.save(helper.make_model_gen_version(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def compare_pool(build_cell: Callable[[str], Any], path: Path) -> OutputsVerdict:
    cell = build_cell(POOL)
    return compare(path, [TensorType(FLOAT, (2, 16, 8, 8))], lambda: cell, is_batch_free=False)


def test_the_optimiser_is_the_wrong_side(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    """The file is right, ONNX Runtime's optimiser is not: said, and no failure."""
    found = compare_pool(build_cell, save_pool(tmp_path / "x.onnx"))
    assert found.verdict == "equal without ONNX Runtime's graph optimisation, not with it"
    assert (found.passed, found.level) == (True, "BASIC")
    assert found.error is not None and found.error > 1e-3
    assert found.plain_error is not None and found.plain_error <= FLOAT32.least
    (warning,) = found.warnings
    assert "from level ORT_ENABLE_BASIC on" in warning
    assert "Run the file with GraphOptimizationLevel.ORT_DISABLE_ALL" in warning


def test_the_optimiser_is_no_excuse(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    found = compare_pool(build_cell, save_pool(tmp_path / "x.onnx", number=0.5))
    assert (found.verdict, found.passed, found.warnings) == ("not equal", False, [])


def test_our_own_file_is_right_optimised(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    done = convert_cell(build_cell(POOL), [InputSpec((2, 16, 8, 8))], tmp_path / "x.onnx")
    assert (done.comparison.verdict, done.comparison.error) == ("equal", 0.0)


@pytest.mark.parametrize(
    ("expression", "runtime"),
    [
        ("ops.split(x, 2, 1)[1]", "ONNX Runtime"),
        ("x.astype(ms.float32)", "ONNX Runtime"),
        ("ops.concat((x + x, x * 2), 1)", "ONNX's reference implementation"),
    ],
)
def test_bfloat16(build_cell: Callable[[str], Any], tmp_path: Path, expression: str, runtime: str) -> None:
    """ONNX Runtime has few kernels for it on CPU: the rest runs in ONNX's reference implementation."""
    done = convert_cell(build_cell(expression), [InputSpec((2, 4), "bfloat16")], tmp_path / "x.onnx")
    assert (done.comparison.verdict, done.comparison.runtime) == ("equal", runtime)
    assert done.inputs == ("input (N, 4) bfloat16",)
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_bfloat16_that_differs(
    build_cell: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = proof.run_reference
    monkeypatch.setattr(proof, "run_reference", lambda *given: [1.1 * array for array in run(*given)])
    cell = build_cell("ops.concat((x + x, x * 2), 1)")
    with pytest.raises(Exception, match="not equal: MindSpore and ONNX's reference implementation differ by"):
        convert_cell(cell, [InputSpec((2, 4), "bfloat16")], tmp_path / "x.onnx")


def test_bfloat16_that_mindspore_has_no_kernel_for(build_cell: Callable[[str], Any], tmp_path: Path) -> None:
    done = convert_cell(build_cell("ops.relu(x)"), [InputSpec((2, 4), "bfloat16")], tmp_path / "x.onnx")
    assert done.comparison.verdict.startswith("not compared: MindSpore cannot run it here: ")


@pytest.mark.parametrize("kind", ["nan", "inf", "shape"])
def test_difference_of_odd_values(kind: str) -> None:
    reference = make_input((2, 3))
    found = reference.copy()
    if kind != "shape":
        found[0, 0] = float(kind)
        assert difference(found, reference) == float("inf")
        assert difference(found, found) == 0.0
    else:
        assert difference(found[:0], reference[:0]) == 0.0
