"""How long does the command `parity MODEL` take, beside the frameworks' own work of the same check?

    python benchmarks/parity_command.py res2net50 --rounds 3

Each row is a whole process on the clock. The frameworks' own work is their imports, forwards, sessions and
exports, one after the other, in a process that does what the command does; the command itself runs in one
process and, with MindSpore in a process of its own, in two. The three take turns after one small model that
warms the caches, and figures are medians. Peak memory is that of the largest process. Exit code 1 if the
command takes over 1.1 times the frameworks' own work.
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

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.convert import measure
from triport.parity.worker.process import ONE_PROCESS

AIM = 1.1


def own_seconds(model: str) -> dict[str, float]:
    """Check a model in this process, and return the seconds of the frameworks' own work by kind."""
    from triport.converters.environment import import_mindspore, import_torch

    start = time.perf_counter()
    import_torch()
    import_mindspore()
    import onnxruntime  # noqa: F401

    imports = time.perf_counter() - start
    from benchmarks.parity_time import timed
    from triport.parity.options import Options
    from triport.parity.subjects.asked import subjects_of
    from triport.parity.subjects.loading import check

    (subject,) = subjects_of([model], every=False, weights=None, seed=0)
    with timed(time.perf_counter) as seconds:
        check(subject, Options())
    return {"imports": imports, **seconds}


@click.command()
@click.argument("model")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--own", is_flag=True, help="Print the frameworks' own work in this process as JSON, and stop.")
def main(model: str, rounds: int, own: bool) -> None:
    """Print the table."""
    if own:
        click.echo(json.dumps(own_seconds(model)))
        return
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as folder:
        found = _measured(model, rounds, Path(folder))
    own_s = statistics.median(seconds for seconds, _ in found["own"])
    click.echo(f"{model}: medians of {rounds} rounds on {os.cpu_count()} processors")
    click.echo("| what | s | of the frameworks' own | largest process, MB |\n|---|--:|--:|--:|")
    click.echo(f"| frameworks' own work, one after the other | {own_s:.1f} | | |")
    ratios = {}
    for processes in ("1", "2"):
        seconds, peak = (statistics.median(one) for one in zip(*found[processes], strict=True))
        ratios[processes] = seconds / own_s
        what = f"the command in {processes} process{'es' if processes == '2' else ''}"
        click.echo(f"| {what} | {seconds:.1f} | {ratios[processes]:.2f} x | {peak / 1e6:.0f} |")
    sys.exit(0 if ratios["2"] <= AIM else 1)


def _measured(model: str, rounds: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return seconds and peaks of each round, by what they are of."""
    found: dict[str, list[tuple[float, float]]] = {"own": [], "1": [], "2": []}
    _command("res2net_digits", "2", folder)
    for _ in range(rounds):
        words = [sys.executable, __file__, model, "--own"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found["own"].append((sum(json.loads(done.stdout.splitlines()[-1]).values()), 0.0))
        for processes in ("1", "2"):
            found[processes].append(_command(model, processes, folder))
    return found


def _command(model: str, processes: str, folder: Path) -> tuple[float, float]:
    """Run the command, and return its seconds and the peak of its largest process."""
    os.environ[ONE_PROCESS] = "1" if processes == "1" else ""
    used = measure([sys.executable, str(ROOT / "cli.py"), "parity", model], folder)
    return used.wall_s, used.peak_bytes


if __name__ == "__main__":
    main()
