"""`convert` names the operators of a graph that give something else in MindSpore at special numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.mindir.operator_table import make_table
from triport.converters.mindir.operators import load_operators
from triport.converters.mindir.reader import read_mindir
from triport.converters.mindir.special_numbers import note_of
from triport.converters.networks.input_specs import InputSpec

BEGINS = "MindSpore's own kernels give something else than the file at special numbers: "
ENDS = ". docs/operators.md says what"


def noted(cell: Any, shape: tuple[int, ...] = (2, 3), dtype: str = "float32") -> str | None:
    """Return what the note names of a Cell's graph."""
    note = note_of(read_mindir(mindir_bytes_from_cell(cell, InputSpec(shape, dtype))))
    return None if note is None else note.removeprefix(BEGINS).removesuffix(ENDS)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ops.relu(ops.clamp(x, -1, 1))", "ClampScalar (NaN), ReLU (NaN)"),
        ("ops.xlogy(x, x)", "Xlogy (0 and no positive finite y)"),
        ("x / 3", "Divs (NaN by 0, numbers by -0)"),
        ("ops.relu(ops.relu(x))", "ReLU (NaN)"),
        ("(x + 1).div_(3.0)", "InplaceDivs (NaN by 0, numbers by -0)"),
        ("ops.prod(x, 1)", None),
        ("ops.tanh(x + x * 2)", None),
    ],
)
def test_only_what_the_graph_has(
    build_cell: Callable[[str], Any], expression: str, expected: str | None
) -> None:
    assert noted(build_cell(expression)) == expected


@pytest.mark.parametrize(
    ("expression", "shape", "dtype", "expected"),
    [
        ("ops.relu(x)", (2, 3), "int32", None),
        ("mint.pow(x, 2)", (2, 3), "float32", None),
        ("mint.pow(x, 2)", (2, 3), "int32", "PowTensorScalar (whole numbers that overflow)"),
        ("ops.fmod(x, 3)", (2, 3), "int32", "DivMod (whole numbers beyond 2**24)"),
        ("x // 3", (2, 3), "int32", None),
        ("x // 3", (2, 3), "int64", "FloorDiv (int64 beyond 2**53)"),
        ("ops.amax(x, 1)", (2, 0), "float32", "ReduceMax (no elements)"),
    ],
)
def test_only_numbers_that_its_tensors_can_have(
    build_cell: Callable[[str], Any],
    expression: str,
    shape: tuple[int, ...],
    dtype: str,
    expected: str | None,
) -> None:
    assert noted(build_cell(expression), shape, dtype) == expected


def test_the_table_and_the_note_have_one_source() -> None:
    page = make_table()
    for operator in load_operators().values():
        if operator.differs:
            assert f"`{operator.primitive}`" in page.rpartition("## Where MindSpore")[2]
            assert f"| {operator.differs} |" in page


def test_convert_says_it_once(tmp_path: Path, run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "relu_cell.py").write_text(
        "from mindspore import nn\n\n\n"
        "def build():\n    return nn.SequentialCell(nn.Dense(3, 4), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ("convert", "relu_cell.py:build", "--to", "onnx", "--input", "2x3", "-o", "x.onnx")
    done = run_cli(*words)
    assert done.exit_code == 0, done.output
    assert done.output.count(f"{BEGINS}ReLU (NaN){ENDS}") == 1
    found = json.loads(run_cli(*words, "--json", "-").stdout)
    assert f"{BEGINS}ReLU (NaN){ENDS}" in found["warnings"]
