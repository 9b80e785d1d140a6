"""`models`: what triport knows."""

from __future__ import annotations

import click

from .shared.command import Command
from .shared.options import JSON
from .shared.output import emit, print_pieces
from .shared.words import complete_models


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=complete_models)
@JSON
def models(name: str | None, json_path: str | None) -> None:
    """List the models that are known, or show one.

    One model is shown with its names, its preprocessing, its published weights and their accuracy.

    \b
    Example:
      python cli.py models
      python cli.py models res2net50
    """
    import triport
    from triport.reference_models import tables

    if name is None:
        known = triport.models()
        shown = tables.models_table(one.spec for one in known)
        emit([one.summary() for one in known], json_path, lambda: print_pieces(*shown))
        return
    found = triport.model(name)
    emit(found.to_dict(), json_path, lambda: print_pieces(*tables.model_tables(found.spec)))
