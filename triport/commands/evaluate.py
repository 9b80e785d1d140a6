"""`evaluate`: accuracy on labelled images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared.command import Command, OutputFile, typed_command
from .shared.options import ALLOW_SUBSET, CLASSES, DEVICE, JSON, LABELS, LIMIT, OFFLINE
from .shared.output import emit, print_pieces, shown_progress, write_text
from .shared.words import Precision, RunsIn, complete_models

if TYPE_CHECKING:
    from triport.parity.imagenet.pair_of_rows import DoneWithRows
    from triport.parity.imagenet.session import Done

_PATH = click.Path(path_type=Path)


_GROUPS = {
    "Images": ("--data", "--labels", "--classes", "--limit", "--allow-subset", "--allow-duplicates"),
    "Networks": ("--model", "--profile", "--compare-preprocessing", "--offline"),
    "Where and how it runs": ("--runtime", "--device", "--precision", "--batch-size", "--workers"),
    "Results": ("--rows", "--resume", "--predictions", "--html", "--json"),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument(
    "what",
    metavar="SOURCE|NET|ROWS [SOURCE|NET|ROWS]",
    nargs=-1,
    required=True,
    shell_complete=complete_models,
)
@click.option("--data", type=_PATH, help="Labelled images, in a layout that is listed above.")
@LABELS
@CLASSES
@click.option(
    "--runtime",
    type=RunsIn(),
    multiple=True,
    help="The runtime to run in. Left out, it is that of the file or network.",
)
@DEVICE
@click.option(
    "--model",
    shell_complete=complete_models,
    metavar="NAME",
    multiple=True,
    help="The model that SOURCE is a checkpoint of. Left out, it is found.",
)
@click.option(
    "--precision",
    type=Precision(),
    multiple=True,
    help="One of float32, tf32, hf32, float16, bfloat16, AMP's O0 to O3, and int8 of a quantised file. Left "
    "out, it is float32.",
)
@click.option(
    "--profile",
    shell_complete=complete_models,
    multiple=True,
    help="How images are prepared: as for published weights, such as resnet50.timm, or by values, such as "
    "mean=0.5/0.5/0.5,crop=224.",
)
@click.option(
    "--compare-preprocessing",
    is_flag=True,
    help="Also score with wrong preprocessing: each time one usual mistake is made, or undone.",
)
@LIMIT
@ALLOW_SUBSET
@click.option(
    "--allow-duplicates", is_flag=True, help="Accept files with the same bytes, and count each of them."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    help="Images that run at a time. Left out, it is 32; on a CPU it is what the caches hold, 4 of 224 px.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Threads that decode images. On a CPU they also run ONNX files and known models in PyTorch. Left "
    "out, there is one for each CPU.",
)
@click.option(
    "--rows",
    type=OutputFile(path_type=Path),
    help="Write one CSV row for each image to this file, while the run goes on.",
)
@click.option("--resume", is_flag=True, help="With --rows, go on where a run that was stopped has ended.")
@click.option("--predictions", is_flag=True, help="Also list every image with its best five classes.")
@click.option(
    "--html",
    type=OutputFile(path_type=Path),
    help="Write a page with confusions, worst images and calibration. For a pair, it shows the images on "
    "which the two differ.",
)
@OFFLINE
@JSON
def evaluate(
    what: tuple[str, ...], json_path: str | None, html: Path | None, predictions: bool, **asked: Any
) -> None:
    """Score a classifier on labelled images.

    The published accuracy stands beside the result, where there is one. Exit code 1 if the accuracy is lower
    than published.

    SOURCE is a checkpoint of a known model, or any .onnx or .mindir file with one image input and one output
    (N, classes). NET is package.module:factory or path/file.py:factory, with its own weights.

    The file, a config.json beside it or --profile must state how images are prepared. For a network that
    triport does not know, it is an error if nothing states it.

    Two SOURCEs or NETs run on the same decoded images and are compared image by image. Exit code 1 if one is
    better by more than chance. --runtime, --model, --profile and --precision may then be given twice: first
    for the one, then for the other.

    ROWS is a file that --rows wrote, or any CSV file with the columns image, label and top1. Two such files,
    perhaps from two machines, are compared. Nothing runs then, and --data is not needed.

    \b
    --data is any of:
      val/<wnid>/*.JPEG, or class folders of other names (an ImageFolder)
      ILSVRC2012_val_*.JPEG in one folder, or ILSVRC2012_img_val.tar as it is
      WebDataset shards: a folder, or a range val-{000000..000006}.tar
      Parquet files of the hub's copies, or Kaggle's folder

    Under torchrun or MindSpore's msrun the processes share the images.

    \b
    Example:
      python cli.py evaluate resnet50.onnx --data imagenet/val
      python cli.py evaluate resnet50.onnx --data ILSVRC2012_img_val.tar --rows rows.csv --resume
      python cli.py evaluate resnet50.pth resnet50.onnx --data imagenet/val --html flips.html
      python cli.py evaluate foreign.onnx --data imagenet/val --profile resnet50.timm --runtime openvino
      python cli.py evaluate rows_gpu.csv rows_npu.csv
      torchrun --nproc-per-node 8 cli.py evaluate resnet50.pth --data imagenet/val --device cuda
    """
    import triport

    with shown_progress() as progress:
        done = triport.evaluate(*what, html=html, keep_predictions=predictions, progress=progress, **asked)
    if done.rank != 0:
        return
    if html is not None:
        write_text(str(html), done.page(typed_command()))
    emit(done.to_dict(), json_path, lambda: print_pieces(*_pieces(done, predictions)))
    sys.exit(0 if done.passed else 1)


def _pieces(done: Done | DoneWithRows, predictions: bool) -> Iterator[Any]:
    """Yield what is printed: each accuracy, and what a pair or a comparison says."""
    from triport.parity.imagenet import report
    from triport.parity.imagenet.pair_of_rows import DoneWithRows
    from triport.parity.imagenet.rows_report import facts_of_rows, summary_of_rows

    if isinstance(done, DoneWithRows):
        for letter, name, score in zip("AB", done.names, done.scores, strict=True):
            yield summary_of_rows(f"{letter}: {name}", score)
        if facts := facts_of_rows(done):
            yield facts
    for index, evaluation in enumerate(done.evaluations):
        letter = f"{'AB'[index]}: " if done.pair is not None else ""
        yield letter + report.summary_of(evaluation)
        if predictions:
            yield report.predictions_table(evaluation)
    if done.pair is not None:
        yield report.pair_summary(done.pair)
        if done.pair.flips:
            yield report.flips_table(done.pair)
        if done.pair.classes():
            yield report.classes_table(done.pair)
    if done.comparison is not None:
        yield report.comparison_table(done.comparison)
        yield done.comparison.verdict()
