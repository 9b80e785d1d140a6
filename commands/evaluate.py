"""`evaluate`: accuracy on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .shared.options import DEVICE, JSON, RUNTIME
from .shared.output import emit, print_pieces, shown_progress


@click.command()
@click.argument("what", metavar="MODEL|FILE")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of class folders with images."
)
@click.option("--runtime", type=RUNTIME, help="Where to run; default: FILE's own runtime.")
@DEVICE
@click.option("--model", metavar="NAME", help="What FILE must be a checkpoint of; left out, it is found.")
@click.option("--limit", type=click.IntRange(1), help="Score a fixed, stratified sample of so many images.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--predictions", is_flag=True, help="Also list every image with its best five classes.")
@JSON
def evaluate(
    what: str,
    data: Path,
    runtime: Any,
    device: str,
    model: str | None,
    limit: int | None,
    batch_size: int,
    predictions: bool,
    json_path: str | None,
) -> None:
    """Score a checkpoint or ONNX file on labelled images, beside the published accuracy.

    \b
    Example:
      python cli.py evaluate resnet50.onnx --data imagenet/val
    """
    from parity.imagenet.dataset import open_dataset
    from parity.imagenet.evaluate import evaluate as run
    from parity.imagenet.report import predictions_table, summary_of
    from parity.imagenet.subject import open_subject

    with shown_progress() as progress:
        subject = open_subject(what, model=model, runtime=runtime, device=device, progress=progress)
        dataset = open_dataset(data, subject.num_classes).limited(limit)
        done = run(
            subject.runner,
            subject.spec.name,
            dataset,
            subject.profile,
            batch_size=batch_size,
            weights=subject.published,
            keep_predictions=predictions,
            progress=lambda count, total: progress(f"{count} of {total} images"),
        )
    pieces = [summary_of(done), *([predictions_table(done)] if predictions else [])]
    emit(done.json(), json_path, lambda: print_pieces(*pieces))
