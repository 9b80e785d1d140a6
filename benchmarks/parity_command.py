"""How long does the command `parity MODEL` take, beside the frameworks' own work of the same check?

    python benchmarks/parity_command.py res2net50 --rounds 3

Each row is a whole process on the clock. The frameworks' own work is their imports, forwards, sessions and
exports, one after the other, in a process that does what the command does; the command itself runs in one
process and, with MindSpore in a process of its own, in two. The three take turns after one small model that
warms the caches, and figures are medians. Compiled Python is kept, as it is where triport is installed. Peak
memory is that of the largest process. Exit code 1 if the command takes over 1.1 times the frameworks' own
work.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.convert import measure
from triport.parity.worker.process import ONE_PROCESS

AIM = 1.1
OWN = "frameworks' own work, one after the other"
PROCESSES = {"1": "the command in 1 process", "2": "the command in 2 processes"}


class Seconds(NamedTuple):
    """What one run took: on the clock, of processors, and the peak memory of its largest process."""

    wall_s: float
    cpu_s: float
    peak_bytes: float = 0.0


def own_work(model: str) -> Seconds:
    """Check a model in this process, and return what the frameworks' own work in it took."""
    from triport.converters.environment import import_mindspore, import_torch

    start = _clocks()
    import_torch()
    import_mindspore()
    import onnxruntime  # noqa: F401

    imports = _clocks() - start
    from benchmarks.parity_time import timed
    from triport.parity.options import Options
    from triport.parity.subjects.asked import subjects_of
    from triport.parity.subjects.loading import check

    (subject,) = subjects_of([model], every=False, weights=None, seed=0)
    with timed(_clocks) as seconds:
        check(subject, Options())
    both: Any = sum(seconds.values(), imports)
    return Seconds(*both.tolist())


def _clocks() -> Any:
    """Return both clocks, which are then summed as one number is."""
    return np.array([time.perf_counter(), time.process_time()])


@click.command()
@click.argument("model")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--own", is_flag=True, help="Print the frameworks' own work in this process as JSON, and stop.")
def main(model: str, rounds: int, own: bool) -> None:
    """Print the table."""
    if own:
        click.echo(json.dumps(own_work(model)))
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as folder:
        found = _measured(model, rounds, Path(folder))
    medians = {
        what: Seconds(*map(statistics.median, zip(*runs, strict=True))) for what, runs in found.items()
    }
    own_work_of = medians[OWN]
    click.echo(f"{model}: medians of {rounds} rounds on {os.cpu_count()} processors")
    click.echo(
        "| what | s | of the frameworks' own | processor s | of the frameworks' own | largest process, MB |"
    )
    click.echo("|---|--:|--:|--:|--:|--:|")
    click.echo(f"| {OWN} | {own_work_of.wall_s:.1f} | | {own_work_of.cpu_s:.1f} | | |")
    for what in PROCESSES.values():
        took = medians[what]
        wall, cpu = took.wall_s / own_work_of.wall_s, took.cpu_s / own_work_of.cpu_s
        peak = took.peak_bytes / 1e6
        click.echo(
            f"| {what} | {took.wall_s:.1f} | {wall:.2f} x | {took.cpu_s:.1f} | {cpu:.2f} x | {peak:.0f} |"
        )
    sys.exit(0 if medians[PROCESSES["2"]].wall_s <= AIM * own_work_of.wall_s else 1)


def _measured(model: str, rounds: int, folder: Path) -> dict[str, list[Seconds]]:
    """Return what each round took, by what it is of."""
    found: dict[str, list[Seconds]] = {what: [] for what in (OWN, *PROCESSES.values())}
    _command("res2net_digits", "2", folder)
    for _ in range(rounds):
        words = [sys.executable, __file__, model, "--own"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found[OWN].append(Seconds(*json.loads(done.stdout.splitlines()[-1])))
        for processes, what in PROCESSES.items():
            found[what].append(_command(model, processes, folder))
    return found


def _command(model: str, processes: str, folder: Path) -> Seconds:
    """Run the command, and return what it took."""
    os.environ[ONE_PROCESS] = "1" if processes == "1" else ""
    used = measure([sys.executable, str(ROOT / "cli.py"), "parity", model], folder)
    return Seconds(used.wall_s, used.cpu_s, used.peak_bytes)


if __name__ == "__main__":
    main()
