"""`operators`: what can be written, and what a graph needs and lacks before anything is converted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from triport.converters.mindir.export import mindir_bytes_from_cell
from triport.converters.mindir.operators import load_operators
from triport.converters.networks.input_specs import InputSpec

RunCli = Callable[..., Any]


@pytest.fixture
def save(build_cell: Callable[[str], Any], tmp_path: Path) -> Callable[..., Path]:
    """Write the .mindir file of an expression."""

    def write(expression: str, *shape: int) -> Path:
        path = tmp_path / "some.mindir"
        path.write_bytes(mindir_bytes_from_cell(build_cell(expression), InputSpec(shape or (2, 3, 8, 8))))
        return path

    return write


def test_every_primitive_is_listed(run_cli: RunCli) -> None:
    done = run_cli("operators", "--to", "onnx", "--json", "-")
    (rows,) = json.loads(done.stdout).values()
    assert [row["name"] for row in rows] == list(load_operators())
    (pad,) = (row for row in rows if row["name"] == "PadV3")
    assert "mode `'constant'` or `'reflect'` or `'edge'` or `'circular'`" in pad["limits"]
    assert "PadV3" in run_cli("operators").output


def test_a_graph_that_lacks_nothing(run_cli: RunCli, save: Callable[..., Path]) -> None:
    path = save("nn.SequentialCell(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())")
    done = run_cli("operators", path)
    assert done.exit_code == 0, done.output
    assert "onnx opset 17 has all" in done.output
    found = json.loads(run_cli("operators", path, "--json", "-").stdout)
    assert (found["passed"], found["to"], found["opset"]) == (True, "onnx", 17)
    assert {"Conv2D", "BatchNorm", "ReLU"} <= {row["name"] for row in found["operators"]}


def test_what_a_graph_lacks_is_named_with_its_place(run_cli: RunCli, save: Callable[..., Path]) -> None:
    """A primitive that nobody converts, a call beyond its operator's limits, and what reads the first."""
    path = save("a = ops.roll(x, 1); b = ops.erfinv(x); return_ = ops.relu(b) + a; return_")
    done = run_cli("operators", path, "--json", "-")
    assert done.exit_code == 1, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)["operators"]}
    assert [lack["reason"] for lack in rows["Erfinv"]["lacks"]] == ["no converter"]
    assert all("Erfinv-op" in place for lack in rows["Erfinv"]["lacks"] for place in lack["places"])
    assert rows["ReLU"] == {"name": "ReLU", "count": 1, "supported": True, "lacks": [], "not_judged": 1}
    printed = run_cli("operators", path)
    assert printed.exit_code == 1
    assert "lacks 2 of 4" in printed.output
    assert "1 not judged" in printed.output


def test_a_limit_that_a_call_is_beyond(run_cli: RunCli, save: Callable[..., Path]) -> None:
    path = save("nn.BatchNorm2d(3, use_batch_statistics=True); layer(x) + 1")
    done = run_cli("operators", path)
    assert done.exit_code == 1
    assert "normalises by the mean and variance of the batch" in done.output


def test_a_later_opset_has_what_an_earlier_lacks(run_cli: RunCli, save: Callable[..., Path]) -> None:
    path = save("ops.tensor_scatter_add(x, ms.Tensor([[0], [0]]), x)", 2, 3)
    assert run_cli("operators", path, "--opset", 15).exit_code == 1
    assert run_cli("operators", path, "--opset", 16).exit_code == 0


def test_it_says_what_convert_would(run_cli: RunCli, save: Callable[..., Path], tmp_path: Path) -> None:
    path = save("ops.erfinv(x)")
    done = run_cli("convert", path, "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert (done.exit_code, run_cli("operators", path).exit_code) == (2, 1)
    assert "Erfinv: no converter" in done.output


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("absent.mindir", (), "no such file"),
        ("weights.npz", (), "its operators cannot be listed"),
        ("damaged.mindir", (), "export it again"),
        ("damaged.mindir", ("--to", "mindspore"), "such a file is written for onnx, not for mindspore"),
    ],
)
def test_bad_input(
    run_cli: RunCli, tmp_path: Path, name: str, options: tuple[str, ...], message: str
) -> None:
    if name != "absent.mindir":
        (tmp_path / name).write_bytes(b"\x0a\x05nonsense")
    done = run_cli("operators", tmp_path / name, *options)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_needs_no_framework(save: Callable[..., Path]) -> None:
    code = (
        "import sys\n"
        "sys.argv = ['cli.py', 'operators', sys.argv[1], '--json', '-']\n"
        "from triport.cli import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    code = done.code\n"
        "assert not {'mindspore', 'torch', 'onnxruntime'} & set(sys.modules), 'imported'\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(save("ops.relu(x)"))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
