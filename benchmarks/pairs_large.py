"""Memory and seconds of `pair` on two large networks of residual blocks, whose names and order differ.

Each way runs in a process of its own: NETs that are named, and objects that are handed over.

    python benchmarks/pairs_large.py [--millions 600] [--width 1792] [--ways named,objects]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NAMES = {"first": ("norm", "widen", "narrow"), "second": ("c", "b", "a")}


def network(dialect: str, width: int, blocks: int) -> Any:
    """Return a Module of blocks that are added to what they are given: a norm and two dense layers.

    Args:
        dialect: whose names, "first" or "second"; the second defines everything from its end.
        width: of what a block is given, four times that inside.
        blocks: how many.
    """
    import torch
    from torch import nn

    norm, widen, narrow = NAMES[dialect]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = {
                norm: nn.LayerNorm(width),
                widen: nn.Linear(width, 4 * width),
                narrow: nn.Linear(4 * width, width),
            }
            for name in made if dialect == "first" else reversed(made):
                self.add_module(name, made[name])

        def forward(self, x: Any) -> Any:
            parts = dict(self.named_children())
            return x + parts[narrow](torch.relu(parts[widen](parts[norm](x))))

    return nn.Sequential(*(Block() for _ in range(blocks)))


def first(width: int, blocks: int) -> Any:
    """Return the first network."""
    return network("first", width, blocks)


def second(width: int, blocks: int) -> Any:
    """Return the second network."""
    return network("second", width, blocks)


def numbers_of(width: int, blocks: int) -> int:
    """Return how many numbers each network holds."""
    return blocks * (8 * width * width + 7 * width)


def measure(way: str, width: int, blocks: int, told: Any) -> None:
    """Pair the two in this process, and tell what it took; what comes before it is not counted in seconds."""
    import torch  # noqa: F401

    import triport
    import triport.parity.pairing.derive

    before = _peak_gb()
    if way == "named":
        nets: list[Any] = [f"{__file__}:{one}({width}, {blocks})" for one in ("first", "second")]
    else:
        nets = [first(width, blocks), second(width, blocks)]
    started = time.monotonic()
    found = triport.pair(*nets, inputs=[f"2x{width}"])
    seconds = time.monotonic() - started
    told.put((found.complete and found.proven and found.equal, seconds, before, _peak_gb()))


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Parse the command line, and print a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--millions", type=float, default=600, help="of numbers in each network, at least")
    parser.add_argument("--width", type=int, default=1792)
    parser.add_argument("--ways", default="named,objects")
    options = parser.parse_args()
    blocks = 1
    while numbers_of(options.width, blocks) < options.millions * 1e6:
        blocks += 1
    held_gb = numbers_of(options.width, blocks) * 4 / 1e9
    context = multiprocessing.get_context("spawn")
    for way in options.ways.split(","):
        told = context.Queue()
        worker = context.Process(target=measure, args=(way, options.width, blocks, told))
        worker.start()
        worker.join()
        if worker.exitcode:
            print(f"{way}: its process ended with {worker.exitcode}", flush=True)
            continue
        is_equal, seconds, before, peak = told.get()
        print(
            f"{way}: {blocks} blocks of width {options.width}, {held_gb:.2f} GB of float32 a network: "
            f"{'equal' if is_equal else 'not equal'}, {seconds:.0f} s, peak {peak:.2f} GB, {before:.2f} GB "
            f"of it before: {(peak - before) / held_gb:.2f} copies",
            flush=True,
        )


if __name__ == "__main__":
    main()
