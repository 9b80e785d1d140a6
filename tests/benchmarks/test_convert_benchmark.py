"""The conversion benchmark runs, compares what it times, and prints what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "convert.py"
DIRECTIONS = [".ckpt -> .pth", ".pth -> .ckpt", ".ckpt -> .safetensors"]
WHATS = ["cp", "obvious script", "cli.py convert"]


def run(*arguments):
    return subprocess.run([sys.executable, BENCHMARK, *arguments], capture_output=True, text=True)


@pytest.mark.slow
def test_table_and_json_have_every_row(tmp_path):
    done = run("--runs", "1", "--model", "resnet18", "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress when piped
    for text in ("resnet18 (46.8 MB)", "python -c pass", "of script", *DIRECTIONS):
        assert text in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    rows = {(row["direction"], row["what"]): row for row in report["rows"]}
    assert list(rows) == [(None, "python -c pass"), *((d, what) for d in DIRECTIONS for what in WHATS)]
    for row in rows.values():
        assert len(row["runs"]) == 1
        assert all(row["median"][metric] > 0 for metric in ("cpu_s", "wall_s", "peak_bytes"))
    for direction in DIRECTIONS:
        convert, script = (rows[direction, what] for what in ("cli.py convert", "obvious script"))
        assert convert["of_cp"]["cpu_s"] > 1
        expected = convert["median"]["cpu_s"] / script["median"]["cpu_s"]
        assert convert["of_script"]["cpu_s"] == pytest.approx(expected)


@pytest.mark.slow
def test_json_to_stdout_is_all_there_is():
    done = run("--runs", "1", "--model", "resnet18", "--json", "-")
    assert json.loads(done.stdout)["model"] == "resnet18"


@pytest.mark.slow
def test_a_script_that_does_not_do_the_work_is_not_timed():
    done = run("--runs", "1", "--model", "res2net_digits")
    assert done.returncode != 0
    assert "tensors of res2net_digits are wrong" in done.stderr
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
