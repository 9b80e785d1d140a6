"""Modules of the kinds that people write, by way of ONNX to source of both frameworks: how many are proven.

    python benchmarks/chain.py [--to pytorch|mindspore] [NAME...]

What is refused or found different is printed with the reason; "proven" was compared as `convert` does it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GLOG_v", "3")

import triport
from benchmarks import chain_images, chain_numbers, chain_sequences
from triport.converters.onnx_import.targets import TARGETS
from triport.reference_models.errors import TriportError

# of each network, the module that has it and the shapes of its inputs
NETWORKS = {
    name: (Path(str(module.__file__)), list(shapes))
    for module in (chain_sequences, chain_numbers, chain_images)
    for name, shapes in module.INPUTS.items()
}


def main() -> None:
    """Convert and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--to", choices=TARGETS, action="append")
    arguments = parser.parse_args()
    for target in arguments.to or TARGETS:
        verdicts: Counter[str] = Counter()
        for name in arguments.names:
            started = time.monotonic()
            verdict, reason = converted(name, target)
            verdicts[verdict] += 1
            print(f"{name} {target}: {verdict}, {time.monotonic() - started:.1f} s {reason}", flush=True)
        figures = ", ".join(f"{verdict} {count}" for verdict, count in sorted(verdicts.items()))
        print(f"{target}: {verdicts.total()} networks: {figures}")


def converted(name: str, target: str) -> tuple[str, str]:
    """Return the verdict on one network, and the reason where it is not proven."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path, shapes = NETWORKS[name]
            done = triport.convert(f"{path}:{name}", Path(folder) / name, to=target, inputs=shapes)
        except TriportError as error:
            return "refused", " ".join(str(error).split())[:300]
    if done.passed:
        return "proven", ""
    step = "no graph of an exporter is right" if done.from_onnx is None else "the source differs"
    return f"not kept: {step}", " ".join(line.strip() for line in done.lines() if "not right" in line)[:300]


if __name__ == "__main__":
    main()
