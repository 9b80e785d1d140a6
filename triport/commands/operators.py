"""`operators`: what graphs can be written, and what one needs and lacks."""

from __future__ import annotations

import sys

import click

from .shared.command import Command
from .shared.options import JSON, RUNTIME
from .shared.output import emit, print_pieces


@click.command(cls=Command)
@click.argument("file", required=False)
@click.option(
    "--to",
    type=RUNTIME,
    help="The runtime to write for. Left out, it is all of them, or the one that FILE becomes.",
)
@click.option(
    "--opset", type=int, default=17, show_default=True, help="The opset of the ONNX file that is written."
)
@JSON
def operators(file: str | None, to: str | None, opset: int, json_path: str | None) -> None:
    """List the operators that are supported, or those of a graph.

    Without FILE, each operator is listed with its limits. With FILE, the operators that its graph needs are
    listed, and which of them are not supported. Exit code 1 if any is not.

    FILE is a .mindir file, which becomes ONNX, or an .onnx file, which becomes source. Nothing is converted,
    and no framework is needed: each operator is read as `convert` would read it.

    \b
    Example:
      python cli.py operators
      python cli.py operators model.mindir
      python cli.py operators model.onnx --to mindspore
    """
    from triport.api.sources import local_path
    from triport.converters import operator_support, operator_tables

    if file is None:
        listed = operator_support.list_operators(to)
        emit(
            {target: [one.to_dict() for one in found] for target, found in listed.items()},
            json_path,
            lambda: print_pieces(*operator_tables.supported_tables(listed)),
        )
        return
    needs = operator_support.find_needs(local_path(file), to, opset)
    emit(needs.to_dict(), json_path, lambda: print_pieces(*operator_tables.needs_table(needs)))
    sys.exit(0 if needs.passed else 1)
