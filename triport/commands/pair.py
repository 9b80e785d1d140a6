"""`pair`: which parameters of one network are which of another?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .shared.command import Command, OutputFile
from .shared.options import JSON
from .shared.output import emit, print_pieces, shown_progress


@click.command(cls=Command)
@click.argument("a", metavar="NET")
@click.argument("b", metavar="NET")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="SPEC",
    help="An input of both, such as 1x3x224x224 or tokens=2x16@length:int64:0..1000. Give it once for each "
    "input.",
)
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="NAMES.toml",
    help="Write the map to this file, with how far it is proven. `convert --names` takes it.",
)
@click.option(
    "--scaffold",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the first files of a new family of models into this new folder.",
)
@JSON
def pair(
    a: str,
    b: str,
    inputs: tuple[str, ...],
    output: str | None,
    scaffold: Path | None,
    json_path: str | None,
) -> None:
    """Find which parameter of one network is which of another.

    NET is a network of your own: package.module:factory or path/file.py:factory, perhaps with literal
    arguments, an .onnx or a .mindir file, or the name of a model.

    Names and the order of definition decide nothing. Both networks run with the same weights, and parameters
    that belong together have equal gradients.

    The map is proven by its effect: seeded weights are moved from one network to the other, and the outputs
    must then be equal within the noise of float32.

    Exit code 1 if there is no complete map: what is left on both sides is listed. Exit code 1 also if the
    outputs are not equal: the first module that computes something else is named.

    \b
    Example:
      python cli.py pair "mindcv:create_model('resnet50')" net.py:build --input 1x3x224x224 -o names.toml
      python cli.py pair old.py:Net new.py:Net --input 1x3x64x64 --json -
      python cli.py pair cell.py:Net net.py:Net --input 1x3x64x64 --scaffold my_net
    """
    import triport
    from triport.parity.pairing.report import pieces_of, written_lines

    with shown_progress() as progress:
        found = triport.pair(a, b, inputs=inputs, output=output, scaffold=scaffold, progress=progress)
    written = written_lines(found, output, scaffold)
    emit(found.to_dict(), json_path, lambda: print_pieces(*pieces_of(found), *written))
    sys.exit(0 if found.passed else 1)
