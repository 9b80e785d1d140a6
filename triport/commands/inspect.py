"""`inspect`: what a file is, and what differs between two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command
from .shared.options import JSON, selection_options
from .shared.output import emit, print_pieces


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("other", required=False, type=click.Path(path_type=Path))
@click.option("--stats", is_flag=True, help="Every tensor's range, mean, deviation, NaN and Inf.")
@click.option("--strict", is_flag=True, help="Exit code 1 if there is any problem.")
@click.option(
    "--names",
    type=click.Path(path_type=Path),
    metavar="NAMES.toml",
    help="What `pair` wrote: FILE is of one of its networks, not of a known model.",
)
@selection_options
@JSON
def inspect(
    file: Path,
    other: Path | None,
    stats: bool,
    strict: bool,
    no_head: bool,
    names: Path | None,
    json_path: str | None,
    **selection: Any,
) -> None:
    """Say what a checkpoint is: format, names, model, classes, tensors, and what is wrong with it.

    With OTHER, say what differs between the two, across formats and dialects; exit code 1 if anything
    does. --key, --prefix and --rename are of FILE. One file alone ends with exit code 0 whatever is wrong
    with it, unless --strict says otherwise: NaN or Inf, weights that no training has touched, a model that
    is not known.

    \b
    Example:
      python cli.py inspect resnet50.pth --stats
      python cli.py inspect resnet50.pth resnet50.ckpt
      python cli.py inspect weights.pth --names NAMES.toml
      python cli.py inspect resnet50.pth --strict --json -
    """
    import triport
    from triport.converters.tables import comparison_lines, inspection_table

    if other is None:
        found = triport.inspect(file, stats=stats, head=not no_head, names=names, **selection)
        emit(found.to_dict(), json_path, lambda: print_pieces(*inspection_table(found)))
        sys.exit(1 if strict and not found.passed else 0)
    for option, given in (("--stats", stats), ("--strict", strict), ("--names", names)):
        if given:
            raise click.UsageError(f"{option} is of one file: leave it out, or inspect the files one by one")
    done = triport.diff(file, other, head=not no_head, **selection)
    emit(done.to_dict(), json_path, lambda: click.echo("\n".join(comparison_lines(done))))
    sys.exit(0 if done.passed else 1)
