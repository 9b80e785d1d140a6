"""`inspect --names`: a file of a network that no model is, by the map of a pair."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import triport

sys.path.insert(0, str(Path(__file__).parent))
from maps import ROWS, arrays, write_map, write_tensors


@pytest.mark.parametrize(
    ("runtime", "tensors", "side"),
    [("pytorch", arrays(), "a"), ("mindspore", ROWS.forward(arrays()), "b")],
    ids=["a", "b"],
)
def test_it_says_whose_names_a_file_has(tmp_path, run_cli, runtime, tensors, side):
    path = write_tensors(tmp_path / "x.safetensors", runtime, tensors)
    done = run_cli("inspect", path, "--names", write_map(tmp_path), "--strict")
    assert done.exit_code == 0, done.output
    assert f"those of {side}, {side}.py:net ({runtime})" in done.output
    assert "proven: outputs equal" in done.output
    done = run_cli("inspect", path, "--names", tmp_path / "NAMES.toml", "--json", "-")
    found = json.loads(done.output)
    assert found["model"] is None and found["problems"] == []
    assert (found["names"]["from"], found["names"]["net"]) == (side, f"{side}.py:net")
    assert found["names"]["proven"] is True


@pytest.mark.parametrize(
    ("changed", "proof", "match"),
    [
        ({"more": np.ones(2, "f4")}, {}, "more: (2,) float32, in no row"),
        ({"norm.bias": np.full(4, np.nan, "f4")}, {}, "norm.bias: 4 of 4 values"),
        ({}, {"proven": False}, "NOT PROVEN"),
        ({}, {"rows_sha256": "0"}, "somebody changed the file"),
    ],
)
def test_what_is_wrong_is_a_problem(tmp_path, run_cli, changed, proof, match):
    path = write_tensors(tmp_path / "x.safetensors", "pytorch", {**arrays(), **changed})
    done = run_cli("inspect", path, "--names", write_map(tmp_path, **proof), "--json", "-", "--strict")
    assert done.exit_code == 1
    assert any(match in problem for problem in json.loads(done.output)["problems"])
    assert not triport.inspect(path, names=tmp_path / "NAMES.toml").passed


def test_it_is_of_one_file(tmp_path, run_cli):
    path = write_tensors(tmp_path / "x.safetensors", "pytorch", arrays())
    done = run_cli("inspect", path, path, "--names", write_map(tmp_path))
    assert done.exit_code == 2 and "--names is for one file" in done.output
