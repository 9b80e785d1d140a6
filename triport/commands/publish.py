"""`publish`: a folder that carries its proof."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command, OutputFolder
from .shared.options import JSON, OFFLINE
from .shared.output import emit, shown_progress
from .shared.words import complete_models


@click.command(cls=Command)
@click.argument("source", shell_complete=complete_models)
@click.option("--model", required=True, metavar="NAME", help="What SOURCE is: a model, or published weights.")
@click.option("-o", "--output", required=True, type=OutputFolder(path_type=Path), help="A new folder.")
@click.option(
    "--license", required=True, metavar="ID", help="Of the weights, an SPDX identifier such as apache-2.0."
)
@click.option(
    "--dialect", "dialects", multiple=True, metavar="D", help="Also write names of mindcv, timm, ..."
)
@click.option("--classes", type=click.Path(path_type=Path), help="A file with one class name a line.")
@click.option("--accuracy", multiple=True, metavar="[DATA SET=]FILE", help="What `evaluate --json` wrote.")
@click.option("--push", metavar="REPO", help="Then upload the folder to this model repository of the hub.")
@click.option(
    "--public/--private",
    "public",
    default=None,
    help="With --push: whether a new repository is seen by everyone. Private by default.",
)
@click.option("--replace", is_flag=True, help="With --push: change a repository that has other files.")
@click.option(
    "--delete-others", is_flag=True, help="With --replace: delete its files that are not published."
)
@click.option("--dry-run", is_flag=True, help="With --push: list what would be uploaded, upload nothing.")
@OFFLINE
@JSON
def publish(json_path: str | None, **asked: Any) -> None:
    """Make a folder of SOURCE for every runtime, with a model card and a manifest that proves it.

    Inspection, conversion, round trip and parity must pass: at the first that does not, exit code 1
    and no folder. The same source gives the same bytes; SOURCE_DATE_EPOCH sets the card's date.

    \b
    Example:
      python cli.py publish resnet50.ckpt --model resnet50.mindcv --license apache-2.0 -o resnet50-published
      python cli.py publish resnet50.pth --model resnet50 --license mit -o out --push me/resnet50 --dry-run
    """
    import triport
    from triport.publishing.proofs import NotPublishableError
    from triport.publishing.session import NotUploadedError, Publication
    from triport.publishing.tables import publication_lines

    def show(done: Publication) -> None:
        emit(done.to_dict(), json_path, lambda: click.echo("\n".join(publication_lines(done))))

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
