"""`publish`: a folder that carries its proof."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command, OutputFolder
from .shared.options import JSON, OFFLINE
from .shared.output import emit, print_lines, shown_progress
from .shared.words import complete_dialects, complete_models

_GROUPS = {
    "What SOURCE is": ("--model", "--net", "--input", "--names", "--offline"),
    "The folder": ("--output", "--license", "--dialect", "--classes", "--accuracy", "--preprocessing"),
    "Upload to a hub": ("--push", "--public", "--replace", "--delete-others", "--dry-run"),
    "Report": ("--json",),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument("source", shell_complete=complete_models)
@click.option(
    "--model",
    shell_complete=complete_models,
    metavar="NAME",
    help="The model that SOURCE is a checkpoint of, or the name of the published weights that it is.",
)
@click.option(
    "--net",
    "nets",
    multiple=True,
    metavar="NET",
    help="Instead of --model, the network of your own whose weights SOURCE has. Given twice, it is a pair.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SPEC",
    help="An input of NET, such as 1x3x224x224 or tokens=1x128:int64. Give it once for each input.",
)
@click.option(
    "--names",
    type=click.Path(path_type=Path),
    metavar="NAMES.toml",
    help="The file that `pair` wrote: which parameters of two NETs belong together.",
)
@click.option(
    "--preprocessing", metavar="TEXT", help="How the inputs of NET are prepared, in one line for the card."
)
@click.option(
    "-o", "--output", required=True, type=OutputFolder(path_type=Path), help="The new folder to write."
)
@click.option(
    "--license",
    required=True,
    metavar="ID",
    help="The license of the weights, as an SPDX identifier such as apache-2.0.",
)
@click.option(
    "--dialect",
    "dialects",
    multiple=True,
    metavar="D",
    shell_complete=complete_dialects,
    help="Also write files with the names of this dialect, such as mindcv or timm.",
)
@click.option(
    "--classes", type=click.Path(path_type=Path), help="A file with the names of the classes, one per line."
)
@click.option(
    "--accuracy",
    multiple=True,
    metavar="[DATA SET=]FILE",
    help="A file that `evaluate --json` wrote. The card has its accuracy, if SOURCE itself was measured.",
)
@click.option("--push", metavar="REPO", help="Upload the folder to this model repository of the hub.")
@click.option(
    "--public/--private",
    "public",
    default=None,
    help="Whether everyone can see the repository, if --push makes a new one. Left out, it is private.",
)
@click.option("--replace", is_flag=True, help="Let --push change a repository that has other files.")
@click.option(
    "--delete-others",
    is_flag=True,
    help="With --replace, delete files of the repository that are not in the folder.",
)
@click.option("--dry-run", is_flag=True, help="With --push, list what would be uploaded, and upload nothing.")
@OFFLINE
@JSON
def publish(json_path: str | None, **asked: Any) -> None:
    """Make one folder for every runtime, with the proof in it.

    The folder has the weights in every format, a model card, and a manifest with every hash, name and result.

    Inspection, conversion, round trip and parity must pass. At the first that does not, the exit code is 1
    and no folder is made. The same source gives the same bytes; SOURCE_DATE_EPOCH sets the card's date.

    NET is a network in code, as `convert` takes it, or an .onnx or .mindir file, which then is SOURCE too.
    Its folder has the proven graph and the weights, and no accuracy, since no published one is known.

    With two NETs and --names it has the weights of both. An .onnx file beside a network in code is kept as
    the graph, if it computes the same.

    \b
    Example:
      python cli.py publish resnet50.ckpt --model resnet50.mindcv --license apache-2.0 -o resnet50-published
      python cli.py publish resnet50.pth --model resnet50 --license mit -o out --push me/resnet50 --dry-run
      python cli.py publish net.pth --net net.py:build --input 1x3x64x64 --license mit -o published/net
      python cli.py publish net.onnx --net net.onnx --input 1x3x64x64 --license mit -o published/net
    """
    import triport
    from triport.publishing.outcome import NotPublishableError
    from triport.publishing.session import NotUploadedError, Publication
    from triport.publishing.tables import publication_lines

    def show(done: Publication) -> None:
        emit(done.to_dict(), json_path, lambda: print_lines(publication_lines(done)))

    try:
        with shown_progress() as progress:
            done = triport.publish(**asked, progress=progress)
    except NotPublishableError as error:
        click.echo(f"Not published: {error}", err=True)
        sys.exit(1)
    except NotUploadedError as error:
        # the folder is there, and its digest is not said again
        show(error.publication)
        raise
    show(done)
