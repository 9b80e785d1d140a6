"""triport's command line: python cli.py COMMAND, or triport COMMAND once installed.

Exit codes: 0 done or equal; 1 compared and not equal; 2 bad usage or bad input, with one message
on stderr. Nothing but click is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

try:
    import click
    import rich  # noqa: F401
except ImportError:  # started outside the environment that `make setup` made: continue inside it
    _python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if not _python.exists() or Path(sys.prefix) == _python.parents[1]:
        raise
    os.execv(_python, [str(_python), *sys.argv])

import atexit
import gc
import importlib
import pkgutil
from typing import Any

import commands
from reference_models.errors import TriportError

# the interpreter's end searches all objects for cycles: a tenth of a conversion's time beside the copying,
# and the memory goes back to the system anyway
atexit.register(gc.freeze)


class BadInput(click.ClickException):
    """A TriportError on its way to the terminal."""

    exit_code = 2


class Commands(click.Group):
    """Finds the commands, and turns every TriportError into one message on stderr and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the files in commands/."""
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__) if not module.ispkg)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that the file of its name defines."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return getattr(importlib.import_module(f"commands.{cmd_name}"), cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TriportError as error:
            raise BadInput(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", prog_name="triport")
def main() -> None:
    """Portable weights across MindSpore, PyTorch and ONNX, proven equal.

    \b
    Example:
      python cli.py convert resnet50.ckpt --to onnx -o resnet50.onnx
      python cli.py parity res2net50
    """


if __name__ == "__main__":
    main()
