"""The benchmark of `evaluate` runs and prints what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "evaluate.py"


@pytest.mark.slow
def test_rows_and_bounds(tmp_path):
    report = tmp_path / "report.json"
    words = ["--images", "48", "--rounds", "1", "--batch-size", "16", "--json", str(report)]
    done = subprocess.run([sys.executable, BENCHMARK, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    rows = found["rows"]
    assert list(rows) == [
        "evaluate",
        "runtime alone",
        "decoding alone",
        "decoding in processes",
        "obvious loop",
    ]
    assert all(row["images_per_second"] > 0 and row["cpu_seconds_per_image"] > 0 for row in rows.values())
    slower = min(rows[name]["images_per_second"] for name in ("runtime alone", "decoding alone"))
    assert found["slower_part"] == slower
    assert found["share_of_slower_part"] == pytest.approx(rows["evaluate"]["images_per_second"] / slower)
    assert [row["speed"] for row in found["waiting_device"]] == [0.5, 1.0, 2.0]
    for text in ("obvious loop", "slower part", "both parts share the ", "a device of its own"):
        assert text in done.stdout
