"""`parity`: do the runtimes compute the same?"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import click

from .shared.options import DEVICE, JSON
from .shared.output import emit, print_pieces, shown_progress


@click.command()
@click.argument("what", nargs=-1, metavar="MODEL|FILE...")
@click.option("--all", "every", is_flag=True, help="Check every model.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A checkpoint of MODEL, instead of random weights."
)
@click.option("--runtimes", default="mindspore,pytorch,onnx", show_default=True, help="Which to compare.")
@DEVICE
@click.option(
    "--tolerance", type=float, help="Of the largest reference logit. Default: 5e-6, or 4 x float32's noise."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random weights and the input.")
@click.option("--batch-size", type=click.IntRange(1), default=2, show_default=True)
@JSON
def parity(
    what: tuple[str, ...],
    every: bool,
    weights: Path | None,
    runtimes: str,
    device: str,
    tolerance: float | None,
    seed: int,
    batch_size: int,
    json_path: str | None,
) -> None:
    """Prove that every runtime computes the same function, against PyTorch in float64.

    A MODEL gets seeded weights in which no value is left at its initial one; a FILE its own. ONNX
    Runtime runs the file made from MindSpore and the one made from PyTorch. Exit code 1 if not equal.

    \b
    Example:
      python cli.py parity res2net50
      python cli.py parity resnet50.pth resnet50.onnx
      python cli.py parity --all --json report.json
    """
    from parity.report import json_of, table_of, verdict_of
    from parity.subjects import check, subjects_of

    subjects = subjects_of(what, every=every, weights=weights, seed=seed)
    reports = []
    with shown_progress() as progress:
        for index, subject in enumerate(subjects, 1):
            here = f"{index}/{len(subjects)} {subject.name}"
            report = check(
                subject,
                runtimes=[runtime.strip() for runtime in runtimes.split(",")],
                device=device,
                tolerance=tolerance,
                seed=seed,
                batch_size=batch_size,
                progress=functools.partial(_tell, progress, here),
            )
            reports.append(report)
            if json_path != "-":
                print_pieces(table_of(report))
    emit(json_of(reports), json_path, lambda: print_pieces(verdict_of(reports)))
    sys.exit(0 if all(report.passed for report in reports) else 1)


def _tell(progress: Callable[[str], None], where: str, step: str) -> None:
    progress(f"{where}: {step}")
