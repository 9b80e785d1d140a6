"""`diagnose`: why do two files not give the same results?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command, OutputFile, typed_command
from .shared.options import ALLOW_SUBSET, CLASSES, DEVICE, JSON, LABELS, LIMIT
from .shared.output import emit, print_lines, shown_progress, write_text

_GROUPS = {
    "Images": ("--data", "--labels", "--classes", "--limit", "--allow-subset"),
    "How it runs": ("--seed", "--device"),
    "Results": ("--html", "--json"),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled images, as `evaluate` takes them. Both files are scored on them.",
)
@LABELS
@CLASSES
@LIMIT
@ALLOW_SUBSET
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The seed of the inputs on which the two are compared.",
)
@DEVICE
@click.option("--html", type=OutputFile(path_type=Path), help="Write a page of what was found.")
@JSON
def diagnose(first: str, second: str, json_path: str | None, html: Path | None, **asked: Any) -> None:
    """Find out why two files of one model give other results.

    A is the file that is right, and B the one that is not. They may have different formats. Weights, graph,
    precision, preprocessing and the order of the classes are compared one after the other. With --data both
    are scored on labelled images.

    The last line says in one sentence why the results differ, with the figure that proves it. Exit code 1
    if anything differs.

    \b
    Example:
      python cli.py diagnose resnet50.pth resnet50.onnx
      python cli.py diagnose resnet50.ckpt resnet50_fp16.onnx --data imagenet/val --limit 2000 --html why.html
    """
    import triport
    from triport.parity.diagnosis.report import lines, page

    if asked["data"] is None:
        for option in ("labels", "classes", "limit", "allow_subset"):
            if asked[option]:
                raise click.UsageError(
                    f"--{option.replace('_', '-')} needs --data: name the images, or leave it out"
                )
    with shown_progress() as progress:
        done = triport.diagnose(first, second, progress=progress, **asked)
    if html is not None:
        write_text(str(html), page(done, typed_command()))
    emit(done.to_dict(), json_path, lambda: print_lines(lines(done)))
    sys.exit(0 if done.passed else 1)
