"""`inspect`: what a file is, what many files are, and what differs between two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command
from .shared.options import JSON, OFFLINE, selection_options
from .shared.output import emit, print_lines, print_pieces, shown_progress
from .shared.several import expanded, is_pattern
from .shared.words import complete_models

_GROUPS = {
    "What is said": ("--stats", "--strict", "--each", "--json"),
    "What SOURCE is": ("--names", "--key", "--prefix", "--rename", "--no-head", "--offline"),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument("files", nargs=-1, required=True, metavar="SOURCE [OTHER]...", shell_complete=complete_models)
@click.option(
    "--stats",
    is_flag=True,
    help="Show the range, mean and standard deviation of every tensor, and how many NaN and Inf it has.",
)
@click.option("--strict", is_flag=True, help="End with exit code 1 if there is any problem.")
@click.option(
    "--each", is_flag=True, help="With two files, say what each of them is, instead of what differs."
)
@click.option(
    "--names",
    type=click.Path(path_type=Path),
    metavar="NAMES.toml",
    help="The file that `pair` wrote. SOURCE has the weights of one of its networks, and is compared with "
    "that one instead of the known models.",
)
@selection_options
@OFFLINE
@JSON
def inspect(
    files: tuple[str, ...],
    stats: bool,
    strict: bool,
    each: bool,
    no_head: bool,
    names: Path | None,
    json_path: str | None,
    offline: bool,
    **selection: Any,
) -> None:
    """Say what a checkpoint is, and what is wrong with it.

    SOURCE is a file, a folder from a hub, hf-hub:owner/name, the name of published weights, an https address,
    or - for standard input.

    With OTHER, the output says what differs between the two, across formats and dialects. The exit code is 1
    if anything does. --key, --prefix and --rename apply to SOURCE alone.

    Several OTHERs, or a pattern in quotes, make one report with a line for each file. The exit code is 2 if
    one of them cannot be read.

    Otherwise the exit code is 0, even if there are problems. With --strict it is 1 then: for NaN or Inf, for
    weights that no training has touched, or for a model that is not known.

    \b
    Example:
      python cli.py inspect resnet50.pth --stats
      python cli.py inspect resnet50.pth resnet50.ckpt
      python cli.py inspect "checkpoints/*.ckpt" --strict
      python cli.py inspect weights.pth --names NAMES.toml
      python cli.py inspect resnet50.pth --strict --json -
    """
    import triport
    from triport.converters.batches import BatchResult
    from triport.converters.tables import comparison_lines, inspection_table, inspections_table

    found = expanded(files)
    each = each or len(found) > 2 or any(map(is_pattern, files))
    if len(found) == 2 and not each:
        _check_of_two({"--stats": stats, "--strict": strict, "--names": names})
    with shown_progress() as progress:
        options: dict[str, Any] = {"head": not no_head, "offline": offline, "progress": progress, **selection}
        done: Any
        if each:
            done = BatchResult.of(
                found, lambda file: triport.inspect(file, stats=stats, names=names, **options), "files"
            )
        elif len(found) == 1:
            done = triport.inspect(found[0], stats=stats, names=names, **options)
        else:
            done = triport.diff(*found, **options)
    if each:
        emit(done.to_dict(), json_path, lambda: print_pieces(*inspections_table(done)))
        sys.exit(2 if done.failed else 1 if strict and not done.passed else 0)
    if len(found) == 1:
        emit(done.to_dict(), json_path, lambda: print_pieces(*inspection_table(done)))
        sys.exit(1 if strict and not done.passed else 0)
    emit(done.to_dict(), json_path, lambda: print_lines(comparison_lines(done)))
    sys.exit(0 if done.passed else 1)


def _check_of_two(asked: dict[str, Any]) -> None:
    """Raise UsageError where an option was given that is of one file, and two are compared."""
    for option, given in asked.items():
        if given:
            raise click.UsageError(
                f"{option} is for one file: leave it out, or say what each file is with --each"
            )
