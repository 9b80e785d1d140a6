"""`verify`: is a published folder what it says?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command
from .shared.options import DEVICE, JSON
from .shared.output import emit, print_pieces, shown_progress
from .shared.words import RUNTIME_ALIASES, Names


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--digest", metavar="SHA256", help="The manifest's digest, as the publisher gave it elsewhere.")
@click.option(
    "--runtimes",
    type=Names(RUNTIME_ALIASES),
    default="mindspore,pytorch,onnx",
    show_default=True,
    help="The runtimes in which the sample is run.",
)
@DEVICE
@JSON
def verify(folder: Path, json_path: str | None, **asked: Any) -> None:
    """Check a folder that `publish` made.

    Its hashes, structure, bits and claims are checked, for which no framework is needed. The sample's logits
    are computed again in every runtime that is installed.

    Nothing in the folder is executed. Exit code 1 if anything is not as it must be.

    \b
    Example:
      python cli.py verify resnet50-published
    """
    import triport
    from triport.publishing.tables import verification_pieces

    with shown_progress() as progress:
        done = triport.verify(folder, progress=progress, **asked)
    emit(done.to_dict(), json_path, lambda: print_pieces(*verification_pieces(done)))
    sys.exit(0 if done.passed else 1)
