"""`doctor`: what this machine can run."""

from __future__ import annotations

import click

from .shared.command import Command
from .shared.options import JSON
from .shared.output import emit, print_pieces, shown_progress


@click.command(cls=Command)
@JSON
def doctor(json_path: str | None) -> None:
    """Say which runtimes and devices can be used on this machine.

    Each is shown with its version. If one cannot be used, the output says what to do.

    \b
    Example:
      python cli.py doctor
    """
    from triport.parity.doctor import examine, tables_of

    with shown_progress() as progress:
        found = examine(progress)
    emit(found.to_dict(), json_path, lambda: print_pieces(*tables_of(found)))
