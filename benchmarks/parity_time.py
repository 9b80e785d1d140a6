"""How much of `parity`'s processor time is the frameworks' own, and how much the rest.

    python benchmarks/parity_time.py res2net_digits resnet18 --size 64
    python benchmarks/parity_time.py --all

Frameworks are imported first and that is not counted. What is not a framework's forward (MindSpore's first
compiles its graph), session or export is the rest: weights made and handed over, the input, the comparison.
"""

from __future__ import annotations

import contextlib
import functools
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from triport.converters.onnx_export.from_mindspore import FROM_MINDSPORE
from triport.converters.onnx_export.from_torch import FROM_TORCH
from triport.parity.options import Options
from triport.parity.runtimes import mindspore, onnx, pytorch
from triport.parity.subjects.asked import subjects_of
from triport.parity.subjects.loading import FeedShape, check

AIM_PERCENT = 25
TIMED = [
    (pytorch.PyTorchRunner, "run", "PyTorch forward"),
    (pytorch.PyTorchRunner, "trace", "PyTorch forward"),
    (mindspore.MindSporeRunner, "run", "MindSpore compile, forward"),
    (mindspore.MindSporeRunner, "trace", "MindSpore compile, forward"),
    (onnx.OnnxRunner, "run", "ONNX Runtime forward"),
    (onnx.OnnxRunner, "run_tensors", "ONNX Runtime forward"),
    (onnx, "_session", "ONNX Runtime session"),
    (FROM_MINDSPORE, "export", "export from MindSpore"),
    (FROM_TORCH, "export", "export from PyTorch"),
]


@contextlib.contextmanager
def timed(clock: Callable[[], float] = time.process_time) -> Iterator[dict[str, float]]:
    """Give the seconds by what they were spent on; what runs inside another counts as the other."""
    seconds: dict[str, float] = defaultdict(float)
    inside = False

    def wrapped(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal inside
            if inside:
                return function(*arguments, **options)
            inside, start = True, clock()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += clock() - start
                inside = False

        return call

    with contextlib.ExitStack() as stack:
        for owner, attribute, name in TIMED:
            function = wrapped(getattr(owner, attribute), name)
            stack.enter_context(mock.patch.object(owner, attribute, function))
        yield seconds


@click.command()
@click.argument("models", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every model, as `parity --all` checks them.")
@click.option("--size", type=click.IntRange(1), help="Of the input; the model's own by default.")
@click.option("--batch-size", type=click.IntRange(1), default=2, show_default=True)
@click.option("--layers", is_flag=True, help="Compare every module too; what looks into them is the rest.")
def main(models: tuple[str, ...], every: bool, size: int | None, batch_size: int, layers: bool) -> None:
    """Print the shares of each model; exit code 1 if a model's rest is over the aim."""
    options = Options(layers=layers)
    names = dict.fromkeys(name for _, _, name in TIMED)
    # imports, and what a framework does once in a process
    (first,) = subjects_of(["res2net_digits"], every=False, weights=None, seed=0)
    check(first, Options(), FeedShape(1))
    columns = ["model", "s", "processor s", *(f"{name} %" for name in names), "the rest %", "peak GiB so far"]
    click.echo(" | ".join(columns) + "\n" + "|".join(["---"] * len(columns)))
    over, began, spent, others = [], time.monotonic(), 0.0, 0.0
    subjects = subjects_of(models, every=every, weights=None, seed=0)
    for subject in subjects:
        started, start = time.monotonic(), time.process_time()
        with timed() as seconds:
            check(subject, options, FeedShape(batch_size, size))
        total = time.process_time() - start
        rest = 100 * (1 - sum(seconds.values()) / total)
        spent, others = spent + total, others + total - sum(seconds.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        wall = time.monotonic() - started
        shares = " | ".join(f"{100 * seconds[name] / total:.1f}" for name in names)
        click.echo(f"{subject.name} | {wall:.1f} | {total:.1f} | {shares} | {rest:.1f} | {peak:.1f}")
        if rest > AIM_PERCENT:
            over.append(subject.name)
    minutes = (time.monotonic() - began) / 60
    click.echo(
        f"{len(subjects)} models in {minutes:.1f} minutes; the rest is {100 * others / spent:.1f} % in all"
    )
    if over:
        sys.exit(f"over {AIM_PERCENT} %: {', '.join(over)}")
    click.echo(f"the rest stays under {AIM_PERCENT} % for each of {len(subjects)} models")


if __name__ == "__main__":
    main()
