"""The command line's one place: it finds the commands, and says every error in one message.

Exit codes: 0 done or equal; 1 compared and not equal; 2 bad usage or bad input, or a fault of
triport's own, with one message on stderr; 130 after Ctrl-C; SIGTERM ends it as it does any program, when what
was begun is cleared away. Nothing but click is imported before a command needs it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import Any

import click

import triport
from triport import commands
from triport.commands.shared.command import DEBUG, HELP_NAMES, TYPED, telling_options
from triport.commands.shared.interrupts import Interruption, ignore_interruptions
from triport.commands.shared.output import on_one_line
from triport.commands.shared.streams import be_patient
from triport.commands.shared.words import did_you_mean
from triport.reference_models.errors import TriportError, counted
from triport.reference_models.program import as_started, program
from triport.reference_models.scratch import remove_scratch

INTERRUPTED = 130  # as a shell says of a program that Ctrl-C ended
_LONGEST_MESSAGE = 6000

# the interpreter's end searches all objects for cycles: a tenth of a conversion's time beside the copying,
# and the memory goes back to the system anyway
atexit.register(gc.freeze)


class BadInput(click.ClickException):
    """An error on its way to the terminal: printable, and of a length that a person can read."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(on_one_line(message))

    def format_message(self) -> str:
        """Return the message without control characters of its own, which a file's names may hold."""
        text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in self.message)
        if len(text) > _LONGEST_MESSAGE:
            text = (
                f"{text[:_LONGEST_MESSAGE]}... and {counted(len(text) - _LONGEST_MESSAGE, 'character')} more"
            )
        return text


@cache
def _names() -> tuple[str, ...]:
    """Return the names of the files in commands/, looked up once: the right to read them may go."""
    return tuple(sorted(one.name for one in pkgutil.iter_modules(commands.__path__) if not one.ispkg))


class Commands(click.Group):
    """Finds the commands, and turns every TriportError into one message on stderr and exit code 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += telling_options()

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, with the examples as they are typed here."""
        return as_started(super().get_help(ctx))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the files in commands/."""
        return list(_names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that the file of its name defines."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return getattr(importlib.import_module(f"{commands.__name__}.{cmd_name}"), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is not there is answered with those that are like it."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            hint = (
                did_you_mean(name, self.list_commands(ctx))
                or f" There are {', '.join(self.list_commands(ctx))}."
            )
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what was typed, for reports, and read it."""
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TriportError as error:
            if ctx.meta.get(DEBUG) and error.__cause__ is not None:
                traceback.print_exception(error.__cause__)
            raise BadInput(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted: what was not finished was not written", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except MemoryError as error:
            raise BadInput("there is not enough memory for this; nothing was written") from error
        except Exception as error:
            if isinstance(error, (click.ClickException, click.exceptions.Exit, click.Abort)):
                raise
            if isinstance(error, FileNotFoundError) and not error.filename:
                raise BadInput("the folder in which this was started is no longer there") from error
            if isinstance(error, OSError) and error.strerror:
                where = f"{error.filename}: " if error.filename else ""
                raise BadInput(f"{where}{_no_room(error) or error.strerror}") from error
            if ctx.meta.get(DEBUG):
                traceback.print_exc()
            raise BadInput(_own_fault(error)) from error


def _no_room(error: OSError) -> str:
    """Return what to do where a disk is full, or a file larger than is allowed; "" of any other error.

    The system does not say which file it was: large ones are also made among temporary files.
    """
    from triport.converters.formats.atomic import FULL

    if error.errno not in FULL:
        return ""
    return (
        f"{FULL[error.errno]}. Free some space where the output is to be, and among temporary files in "
        f"{tempfile.gettempdir()} (TMPDIR names another folder)"
    )


def _own_fault(error: Exception) -> str:
    """Return what is said of an error that no input should be able to cause."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    if ours and ours[-1] is not place:
        where += f", called from {Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    return (
        f"this is a bug of triport, not a fault of your input: {type(error).__name__}: {error} ({where}). "
        f"Run the same command with --debug for the traceback, and report both"
    )


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(Path(__file__).resolve().parent)


@click.group(cls=Commands, context_settings={"help_option_names": HELP_NAMES, "max_content_width": 100})
@click.version_option(triport.__version__, prog_name="triport")
def main() -> None:
    """Portable weights across MindSpore, PyTorch and ONNX, proven equal.

    \b
    Example:
      python cli.py convert resnet50.ckpt --to onnx -o resnet50.onnx
      python cli.py parity res2net50
    """


def run() -> None:
    """Run the command line of this process, and end it with the exit code."""
    be_patient()
    interruption = Interruption()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interruption)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interruption)
    code: Any = INTERRUPTED
    try:
        main(prog_name=program())
    except SystemExit as stop:
        code = stop.code
    ignore_interruptions()
    # on Ctrl-C MindSpore sends SIGTERM to its own process, while it compiles a graph or is taken down
    its_own = "mindspore" in sys.modules
    if signal.getsignal(signal.SIGTERM) is interruption:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if its_own else signal.SIG_DFL)
    try:
        sys.stdout.flush()
    except OSError as error:  # a full disk behind a redirection
        click.echo(f"Error: standard output cannot be written: {error.strerror}", err=True)
        remove_scratch()
        os._exit(BadInput.exit_code)
    if code == INTERRUPTED:
        sys.stderr.flush()
        remove_scratch()
        if interruption.by == signal.SIGTERM and not its_own:
            os.kill(os.getpid(), signal.SIGTERM)  # so that who sent it sees that it was obeyed
        os._exit(INTERRUPTED)  # frameworks that were interrupted at work abort when they are taken down
    sys.exit(code)
