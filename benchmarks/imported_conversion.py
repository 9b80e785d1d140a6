"""How long an ONNX file takes to become source, and a network in memory, beside onnx2torch.

    python benchmarks/imported_conversion.py FILE... [--runs N]

Of each file, the seconds of the processor until the text of the PyTorch source and its weights are there, and
until the torch.nn.Module is that they make; nothing is compared. onnx2torch, which makes a Module at once, is
given the same file in the same process, in turn; the least of the runs counts, after one that is not timed.
Runs in an environment with torch, onnx, onnx_ir and onnx2torch.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.zoo_onnx_peers import let_torchvision_load
from triport.converters.networks.imported import written_source
from triport.converters.onnx_import.written import built


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    let_torchvision_load()
    rows = [measured(path, arguments.runs) for path in arguments.files]
    print("| file | MB | source, s | Module, s | onnx2torch, s | source by it | Module by it |")
    print("|---|---|---|---|---|---|---|")
    for path, (source, module, peer) in zip(arguments.files, rows, strict=True):
        shares = f"{source / peer:.2f} | {module / peer:.2f}" if peer else " | "
        shown = f"{peer:.2f}" if peer else "fails"
        size = path.stat().st_size / 1e6
        name = f"{path.parent.name}/{path.stem}"
        print(f"| {name} | {size:.0f} | {source:.2f} | {module:.2f} | {shown} | {shares} |")
    both = [row for row in rows if row[2]]
    if both:
        medians = [statistics.median(row[i] / row[2] for row in both if row[2]) for i in (0, 1)]
        print(
            f"\nmedian of {len(both)}: source {medians[0]:.2f}, Module {medians[1]:.2f} of onnx2torch's time"
        )


def measured(path: Path, runs: int) -> tuple[float, float, float | None]:
    """Return the seconds of the source, of the Module, and of onnx2torch, None where it fails."""
    import onnx2torch

    found: list[tuple[float, float, float | None]] = []
    for _ in range(runs + 1):
        kept: list[Any] = []
        source = seconds(lambda kept=kept: kept.append(written_source(path, "pytorch", "network")))
        module = source + seconds(lambda kept=kept: built(kept[0]))
        try:
            peer = seconds(lambda: onnx2torch.convert(str(path)))
        except Exception:
            peer = None
        found.append((source, module, peer))
    sources, modules, peers = zip(*found[1:], strict=True)
    return min(sources), min(modules), None if None in peers else min(p for p in peers if p is not None)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long the processor works at it, what others have left for the collector not counted."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
