"""The conversion benchmark runs, compares what it times, and prints what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "convert.py"
DIRECTIONS = [
    ".ckpt -> .pth (pytorch)",
    ".pth -> .ckpt (mindspore)",
    ".ckpt -> .safetensors (pytorch)",
    ".safetensors -> .ckpt (mindspore)",
    ".pth -> .safetensors (pytorch)",
    ".safetensors -> .pth (pytorch)",
    ".onnx -> .pth (pytorch)",
]
WHATS = ["cp", "obvious script", "cli.py convert"]
BY_NAMES = "cli.py convert --names"


def run(*arguments):
    return subprocess.run([sys.executable, BENCHMARK, *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_table_and_json_have_every_row(tmp_path):
    done = run("--runs", "1", "--model", "resnet18:10", "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress when piped
    for text in (
        "resnet18:10 (44.8 MB)",
        "python -c pass",
        "of script",
        "cli.py convert --help",
        *DIRECTIONS,
    ):
        assert text in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    (model,) = report["models"]
    assert (model["model"], model["runs"]) == ("resnet18:10", 1)
    rows = {(row["direction"], row["what"]): row for row in model["rows"]}
    assert {(d, what) for d in DIRECTIONS for what in WHATS} < rows.keys()
    assert (".safetensors -> .pth (pytorch)", "safetensors load_file + save_file") in rows
    for row in [*rows.values(), *report["help"]]:
        assert len(row["runs"]) == 1
        assert all(row["median"][metric] > 0 for metric in ("cpu_s", "wall_s", "peak_bytes"))
    assert {direction for direction, what in rows if what == BY_NAMES} == set(DIRECTIONS[:4])
    for direction in DIRECTIONS[:4]:
        by_names, by_dialect = (rows[direction, what] for what in (BY_NAMES, "cli.py convert"))
        ratio = by_names["median"]["cpu_s"] / by_dialect["median"]["cpu_s"]
        assert by_names["of_dialect"]["cpu_s"] == pytest.approx(ratio)
    start = rows[None, "python -c pass"]["median"]["cpu_s"]
    for direction in DIRECTIONS:
        convert, copy, script = (rows[direction, what] for what in ("cli.py convert", "cp", "obvious script"))
        taken = convert["median"]["cpu_s"]
        assert convert["of_script"]["cpu_s"] == pytest.approx(taken / script["median"]["cpu_s"])
        above = (taken - start) / copy["median"]["cpu_s"]
        assert convert["cpu_above_start_of_cp"] == pytest.approx(above)
        assert above > 1  # no less than a copy: it was really written
        # an ONNX file's graph is read with NumPy
        assert convert["median"]["peak_bytes"] < (60e6 if direction.startswith(".onnx") else 40e6)


@pytest.mark.slow
def test_json_to_stdout_is_all_there_is():
    done = run("--runs", "1", "--model", "resnet18:10", "--no-scripts", "--json", "-")
    (model,) = json.loads(done.stdout)["models"]
    assert model["model"] == "resnet18:10"
    assert not any(row["what"] == "obvious script" for row in model["rows"])


@pytest.mark.slow
def test_a_script_that_does_not_do_the_work_is_not_timed():
    done = run("--runs", "1", "--model", "res2net_digits", "--quick")
    assert done.returncode != 0
    assert "tensors are wrong" in done.stderr
    assert done.stdout == ""


def test_a_peak_is_the_process_s_own():
    launcher = BENCHMARK.parent / "measure_process.py"
    peaks = []
    for statement in ("pass", "bytearray(b'x') * (64 << 20)"):
        command = [sys.executable, "-I", "-S", launcher, sys.executable, "-I", "-S", "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout.split()[2]))
    assert peaks[0] < 20e6
    assert 64e6 < peaks[1] - peaks[0] + 1e6 < 80e6


def test_a_failure_is_passed_on():
    launcher = BENCHMARK.parent / "measure_process.py"
    command = [sys.executable, "-I", "-S", launcher, sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(command, capture_output=True).returncode == 3
