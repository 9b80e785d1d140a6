"""`verify`: is a published folder what it says?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .shared.command import Command
from .shared.options import DEVICE, JSON
from .shared.output import emit, print_pieces, shown_progress


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--digest", metavar="SHA256", help="The manifest's, as the publisher gave it elsewhere.")
@click.option(
    "--runtimes", default="mindspore,pytorch,onnx", show_default=True, help="Where to run the sample."
)
@DEVICE
@JSON
def verify(folder: Path, digest: str | None, runtimes: str, device: str, json_path: str | None) -> None:
    """Check a folder that `publish` made: hashes, structure, bits, claims, and the sample's logits.

    Hashes, structure, bits and claims need no framework; the sample runs in every runtime that is
    installed. Nothing in the folder is executed. Exit code 1 if anything is not as it must be.

    \b
    Example:
      python cli.py verify published/resnet50
    """
    from triport.publishing.tables import verification_pieces
    from triport.publishing.verify import verify as run
    from triport.reference_models.errors import TriportError
    from triport.reference_models.spec import RUNTIMES

    asked = [runtime.strip() for runtime in runtimes.split(",") if runtime.strip()]
    unknown = [runtime for runtime in asked if runtime not in RUNTIMES]
    if unknown:
        raise TriportError(f"--runtimes {', '.join(unknown)}: known are {', '.join(RUNTIMES)}")
    with shown_progress() as progress:
        done = run(folder, digest=digest, runtimes=asked, device=device, progress=progress)
    emit(done.as_dict(), json_path, lambda: print_pieces(*verification_pieces(done)))
    sys.exit(0 if done.passed else 1)
