"""What every command does besides its own work: output paths are checked first, --debug and -v."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from triport.reference_models.errors import TriportError
from triport.reference_models.program import as_started

from .words import options_meant

DEBUG = "triport.debug"
TYPED = "triport.typed"
QUIET = "triport.quiet"
HELP_NAMES = ["-h", "--help"]
_IMAGES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".tar", ".parquet")


class OutputFile(click.Path):
    """A file that a command writes; "-" is left to options that take it for stdout."""


class OutputFileOrFolder(OutputFile):
    """A file that a command writes, or a folder that may be there already, whose files it checks itself."""


class OutputFolder(click.Path):
    """A folder that a command makes."""


class Command(click.Command):
    """A command whose outputs are looked at before its work begins.

    An output that cannot be written, that is an input, or that another output replaces is an error
    while nothing has been read or computed yet.
    """

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]] | None = None, **kwargs: Any) -> None:
        """Make a command.

        Args:
            *args: as click.Command takes them.
            groups: titles of the help, and the options under each; others stand under "Options".
            **kwargs: as click.Command takes them.
        """
        super().__init__(*args, **kwargs)
        self.params += telling_options()
        self._groups = groups or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each group under its title."""
        titles = {option: title for title, options in self._groups.items() for option in options}
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in (*self._groups, "Options")}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Argument):
                continue  # the first line and the text say what it is
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = next((titles[name] for name in parameter.opts if name in titles), "Options")
                found[title].append(record)
        for title, records in found.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what was typed; say which option an unknown one may mean, and what a missing one is."""
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            if not isinstance(error.param, click.Option) or error.message:
                raise
            raise click.MissingParameter(error.param.help, ctx=error.ctx, param=error.param) from None
        except click.NoSuchOption as error:
            known = [name for one in self.params if isinstance(one, click.Option) for name in one.opts]
            likely = " or ".join(map(repr, options_meant(error.option_name, known)))
            hint = f" Did you mean {likely}?" if likely else ""
            message = f"No such option {error.option_name!r}.{hint}"
            raise click.NoSuchOption(error.option_name, message, ctx=error.ctx) from None

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return what asks for help, whatever the context: click keeps what the first one said."""
        return HELP_NAMES

    def get_help(self, ctx: click.Context) -> str:
        """Return the help, with the examples as they are typed here."""
        return as_started(super().get_help(ctx))

    def invoke(self, ctx: click.Context) -> Any:
        """Check the outputs, then work."""
        check_outputs(ctx)
        return super().invoke(ctx)


def typed_command() -> str:
    """Return what the user typed, for a report, without logins and signatures that an address may hold."""
    import shlex

    from triport.converters.hub import redacted
    from triport.reference_models.program import program

    words = click.get_current_context().find_root().meta.get(TYPED, ())
    return redacted(" ".join([program(), *map(shlex.quote, words)]))


def telling_options() -> list[click.Parameter]:
    """Return the options that say how much a command tells of itself; before or after its name."""
    return [
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_log_steps,
            help="Log every step with its time on stderr.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_keep_quiet,
            help="Print nothing but errors. The exit code and --json give the result.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_keep_traceback,
            help="Print the traceback of a fault of triport's own, or of your network's code.",
        ),
    ]


def check_outputs(ctx: click.Context) -> None:
    """Raise TriportError unless every output can be written and replaces nothing that is needed."""
    outputs = list(_outputs(ctx))
    if not outputs:
        return
    from triport.converters.formats import check_place

    inputs = list(_inputs(ctx))
    seen: dict[str, str] = {}
    for option, path in outputs:
        check_place(path)
        real = os.path.realpath(path)
        if real in seen:
            raise TriportError(f"{path}: is the output of both {seen[real]} and {option}; name two files")
        seen[real] = option
        if not path.exists():
            continue
        for given in inputs:
            if _is_in(path, given) or any(path.samefile(part) for part in _parts(given)):
                raise TriportError(
                    f"{option} {path}: is the input {given} or a part of it, which would be lost. "
                    f"Name another output"
                )


def _outputs(ctx: click.Context) -> Iterator[tuple[str, Path]]:
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if isinstance(parameter.type, OutputFileOrFolder) and value is not None and Path(value).is_dir():
            continue
        if not isinstance(parameter.type, OutputFile) or value is None:
            continue
        option = max(parameter.opts, key=len)
        if str(value) != "-":
            yield option, Path(value)
        elif option != "--json":
            raise TriportError(f"{option} -: does not write to standard output; ./- is a file of that name")


def _inputs(ctx: click.Context) -> Iterator[Path]:
    """Yield the existing files and folders that the command was given to read."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if isinstance(parameter.type, OutputFile | OutputFolder) or value is None:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str | Path):
                # also of NAME=FILE
                yield from (path for path in {Path(one), Path(str(one).rpartition("=")[2])} if path.exists())


def _is_in(path: Path, given: Path) -> bool:
    """Whether a file is one of a folder's images, or of its archives of images."""
    is_image = path.suffix.lower() in _IMAGES
    return is_image and given.is_dir() and path.resolve().is_relative_to(given.resolve())


def _parts(given: Path) -> Iterator[Path]:
    """Yield an input's files: itself, a model folder's, its external data, what describes it."""
    from triport.converters.formats import open_checkpoint
    from triport.converters.published import model_file
    from triport.converters.statements.run_files import files_read_with

    if given.is_dir():
        if model_file(given) != given:
            yield from (path for path in given.rglob("*") if path.is_file())
        return
    yield given
    yield from files_read_with(given)
    try:
        yield from map(Path, open_checkpoint(given).files)
    except TriportError:  # no checkpoint, such as a list of labels
        return


def _log_steps(ctx: click.Context, parameter: click.Parameter, verbose: bool) -> None:
    if verbose:
        import logging

        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("triport").setLevel(logging.INFO)


def is_quiet() -> bool:
    """Return whether the user wants errors alone."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get(QUIET))


def _keep_quiet(ctx: click.Context, parameter: click.Parameter, quiet: bool) -> None:
    if quiet:
        ctx.find_root().meta[QUIET] = True


def _keep_traceback(ctx: click.Context, parameter: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.find_root().meta[DEBUG] = True
