"""triport's command line from a checkout: python cli.py COMMAND. Once installed, it is triport COMMAND."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # until a command runs there is nothing to clean up; 130 is the exit code of a program that Ctrl-C ended
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

try:
    import click  # noqa: F401
    import rich  # noqa: F401
except ImportError:  # started outside the environment that `make setup` made: continue inside it
    _python = Path(__file__).resolve().parent / ".venv" / "bin" / "python"
    if not _python.exists() or Path(sys.prefix) == _python.parents[1]:
        raise
    os.execv(_python, [str(_python), *sys.argv])

from triport.cli import main, run
from triport.reference_models.program import FROM_CHECKOUT, started_as

__all__ = ["main", "run"]

if __name__ == "__main__":
    with started_as(FROM_CHECKOUT):
        run()
