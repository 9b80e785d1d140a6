"""`models`: what triport knows."""

from __future__ import annotations

import click

from .shared.command import Command
from .shared.options import JSON
from .shared.output import emit, print_pieces


@click.command(cls=Command)
@click.argument("name", required=False)
@JSON
def models(name: str | None, json_path: str | None) -> None:
    """List the models, or show one: names, preprocessing, published weights and accuracy.

    \b
    Example:
      python cli.py models
      python cli.py models res2net50
    """
    from triport.reference_models import tables
    from triport.reference_models.spec import all_models, get_model

    if name is None:
        specs = list(all_models().values())
        emit(
            [tables.summary(spec) for spec in specs],
            json_path,
            lambda: print_pieces(*tables.models_table(specs)),
        )
    else:
        spec = get_model(name)
        emit(tables.details(spec), json_path, lambda: print_pieces(*tables.model_tables(spec)))
