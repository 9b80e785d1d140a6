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

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

from reference_models.errors import TriportError

RUNTIME = click.Choice(["mindspore", "pytorch", "onnx"])
JSON = click.option(
    "--json",
    "json_path",
    metavar="PATH",
    help="Write the result as JSON; - is stdout, and nothing else goes there.",
)


class BadInput(click.ClickException):
    """A TriportError on its way to the terminal."""

    exit_code = 2


class Commands(click.Group):
    """Turns every TriportError into one message on stderr and exit code 2."""

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


@main.command()
@click.argument("name", required=False)
@JSON
def models(name: str | None, json_path: str | None) -> None:
    """List the models, or show one: names, preprocessing, published weights and accuracy.

    \b
    Example:
      python cli.py models
      python cli.py models res2net50
    """
    from reference_models import tables
    from reference_models.spec import all_models, get_model

    if name is None:
        specs = list(all_models().values())
        _emit([tables.summary(spec) for spec in specs], json_path, lambda: _print(tables.models_table(specs)))
    else:
        spec = get_model(name)
        _emit(tables.details(spec), json_path, lambda: _print(tables.model_tables(spec)))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("other", required=False, type=click.Path(path_type=Path))
@click.option("--stats", is_flag=True, help="Every tensor's range, mean, deviation, NaN and Inf.")
@JSON
def inspect(file: Path, other: Path | None, stats: bool, json_path: str | None) -> None:
    """Say what a checkpoint is: format, names, model, classes, tensors, and what is wrong with it.

    With OTHER, say what differs between the two, across formats and dialects; exit code 1 if anything
    does.

    \b
    Example:
      python cli.py inspect resnet50.pth --stats
      python cli.py inspect resnet50.pth resnet50.ckpt
    """
    if other is not None:
        from converters.comparison import compare_files
        from converters.tables import comparison_lines

        if stats:
            raise click.UsageError("--stats is of one file: leave it out, or inspect the files one by one")
        done = compare_files(file, other)
        _emit(done.as_dict(), json_path, lambda: click.echo("\n".join(comparison_lines(done))))
        sys.exit(0 if done.equal else 1)
    from converters.inspection import inspect_file
    from converters.tables import inspection_table

    found = inspect_file(file, stats)
    _emit(found.as_dict(), json_path, lambda: _print(inspection_table(found)))


@main.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--from", "source_runtime", type=RUNTIME, help="What SOURCE must be; left out, it is found.")
@click.option("--to", required=True, type=RUNTIME, help="The runtime to write for.")
@click.option("--model", metavar="NAME", help="What SOURCE must be a checkpoint of; left out, it is found.")
@click.option("--dialect", metavar="D", help="Whose names to write: mindcv, torchvision, timm, ...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Default: SOURCE's name, in this folder."
)
@click.option(
    "--dtype",
    type=click.Choice(["float16", "bfloat16", "float32"]),
    help="Convert the values, and say how far they were rounded. Left out, only float32 is taken.",
)
@click.option("--opset", type=int, default=17, show_default=True, help="For ONNX: 13 to 21; .mindir from 11.")
@click.option("--optimize", is_flag=True, help="For ONNX: fold BatchNorm; faster, cannot be converted back.")
@click.option("--cell", metavar="MODULE:FACTORY", help="Any MindSpore Cell instead of SOURCE, to ONNX.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The parameters of --cell.")
@click.option(
    "--input", "inputs", multiple=True, metavar="SHAPE[:DTYPE]", help="Of --cell, each: 1x3x224x224:float32"
)
@click.option("--no-check", is_flag=True, help="Do not compare a Cell or .mindir file with MindSpore.")
@JSON
def convert(
    source: Path | None,
    source_runtime: Any,
    to: Any,
    model: str | None,
    dialect: str | None,
    output: Path | None,
    dtype: str | None,
    opset: int,
    optimize: bool,
    cell: str | None,
    checkpoint: Path | None,
    inputs: tuple[str, ...],
    no_check: bool,
    json_path: str | None,
) -> None:
    """Move a checkpoint to another runtime: every parameter accounted for, bit-equal, checked.

    SOURCE is any .ckpt, .pth, .safetensors or .onnx, told by its content. Without SOURCE the small
    trained Res2Net that triport ships is converted. A .mindir file, or any Cell given by --cell,
    becomes ONNX whatever it computes; exit code 1, and no file, if it then differs from MindSpore.

    \b
    Example:
      python cli.py convert resnet50-e0733ab8.ckpt --to pytorch -o resnet50.pth
      python cli.py convert --from mindspore --to onnx
      python cli.py convert model.mindir --to onnx -o model.onnx
      python cli.py convert --to onnx --cell package.module:factory --input 1x3x224x224
    """
    from converters.mindir.asked import is_graph_asked

    if is_graph_asked(source, cell, checkpoint, inputs, no_check):
        from converters.mindir.asked import convert_asked

        others = {"--model": model, "--dialect": dialect, "--dtype": dtype, "--optimize": optimize}
        others["--from"] = source_runtime if source_runtime != "mindspore" else None
        with _progress() as progress:
            graph = convert_asked(
                source, cell, checkpoint, inputs, to, output, opset, not no_check, others, progress
            )
        _emit(graph.as_dict(), json_path, lambda: click.echo("\n".join(graph.lines())))
        sys.exit(0 if graph.passed else 1)
    from converters.convert import convert as run
    from converters.tables import conversion_lines

    with _progress() as progress:
        done = run(
            source,
            to=to,
            output=output,
            source_runtime=source_runtime,
            model=model,
            dialect=dialect,
            dtype=dtype,
            opset=opset,
            optimize=optimize,
            progress=progress,
        )
    lines = conversion_lines(done, shipped=source is None)
    _emit(done.as_dict(), json_path, lambda: click.echo("\n".join(lines)))


@main.command()
@click.argument("what", nargs=-1, metavar="MODEL|FILE...")
@click.option("--all", "every", is_flag=True, help="Check every model.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A checkpoint of MODEL, instead of random weights."
)
@click.option("--runtimes", default="mindspore,pytorch,onnx", show_default=True, help="Which to compare.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:i]|npu[:i]")
@click.option(
    "--tolerance", type=float, help="Of the largest reference logit. Default: 5e-6, or 4 x float32's noise."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random weights and the input.")
@click.option("--batch-size", type=click.IntRange(1), default=2, show_default=True)
@JSON
def parity(
    what: tuple[str, ...],
    every: bool,
    weights: Path | None,
    runtimes: str,
    device: str,
    tolerance: float | None,
    seed: int,
    batch_size: int,
    json_path: str | None,
) -> None:
    """Prove that every runtime computes the same function, against PyTorch in float64.

    A MODEL gets seeded weights in which no value is left at its initial one; a FILE its own. ONNX
    Runtime runs the file made from MindSpore and the one made from PyTorch. Exit code 1 if not equal.

    \b
    Example:
      python cli.py parity res2net50
      python cli.py parity resnet50.pth resnet50.onnx
      python cli.py parity --all --json report.json
    """
    from parity.report import json_of, table_of, verdict_of
    from parity.subjects import check, subjects_of

    subjects = subjects_of(what, every=every, weights=weights, seed=seed)
    reports = []
    with _progress() as progress:
        for index, subject in enumerate(subjects, 1):
            here = f"{index}/{len(subjects)} {subject.name}"
            report = check(
                subject,
                runtimes=[runtime.strip() for runtime in runtimes.split(",")],
                device=device,
                tolerance=tolerance,
                seed=seed,
                batch_size=batch_size,
                progress=functools.partial(_step, progress, here),
            )
            reports.append(report)
            if json_path != "-":
                _print(iter([table_of(report)]))
    _emit(json_of(reports), json_path, lambda: _print(iter([verdict_of(reports)])))
    sys.exit(0 if all(report.passed for report in reports) else 1)


@main.command()
@click.argument("what", metavar="MODEL|FILE")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of class folders with images."
)
@click.option("--runtime", type=RUNTIME, help="Where to run; default: FILE's own runtime.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:i]|npu[:i]")
@click.option("--model", metavar="NAME", help="What FILE must be a checkpoint of; left out, it is found.")
@click.option("--limit", type=click.IntRange(1), help="Score a fixed, stratified sample of so many images.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--predictions", is_flag=True, help="Also list every image with its best five classes.")
@JSON
def evaluate(
    what: str,
    data: Path,
    runtime: Any,
    device: str,
    model: str | None,
    limit: int | None,
    batch_size: int,
    predictions: bool,
    json_path: str | None,
) -> None:
    """Score a checkpoint or ONNX file on labelled images, beside the published accuracy.

    \b
    Example:
      python cli.py evaluate resnet50.onnx --data imagenet/val
    """
    from parity.imagenet.dataset import open_dataset
    from parity.imagenet.evaluate import evaluate as run
    from parity.imagenet.report import predictions_table, summary_of
    from parity.imagenet.subject import open_subject

    with _progress() as progress:
        subject = open_subject(what, model=model, runtime=runtime, device=device, progress=progress)
        dataset = open_dataset(data, subject.num_classes).limited(limit)
        done = run(
            subject.runner,
            subject.spec.name,
            dataset,
            subject.profile,
            batch_size=batch_size,
            weights=subject.published,
            keep_predictions=predictions,
            progress=lambda count, total: progress(f"{count} of {total} images"),
        )
    pieces = [summary_of(done), *([predictions_table(done)] if predictions else [])]
    _emit(done.json(), json_path, lambda: _print(iter(pieces)))


@main.command()
@JSON
def doctor(json_path: str | None) -> None:
    """Say which runtimes and devices are usable, with versions, and what to do about the others.

    \b
    Example:
      python cli.py doctor
    """
    from parity import doctor as checks

    findings = checks.examine()
    _emit(checks.json_of(findings), json_path, lambda: _print(checks.tables_of(findings)))


def _emit(value: Any, json_path: str | None, show: Callable[[], None]) -> None:
    """Show a result, or write it as JSON, or both; to stdout goes one of the two."""
    if json_path == "-":
        click.echo(json.dumps(value, indent=2))
        return
    show()
    if json_path is not None:
        from converters.formats import replacing

        with replacing(json_path) as temporary:
            Path(temporary).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _print(pieces: Iterator[Any]) -> None:
    """Print tables and lines; as wide as they are where stdout is no terminal."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else _wide_console()
    for piece in pieces:
        console.print(piece)


def _wide_console() -> Any:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=200)


def _step(progress: Callable[[str], None], where: str, step: str) -> None:
    progress(f"{where}: {step}")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show the step at work on a terminal's stderr; nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda step: status.update(f"{step} ...")


if __name__ == "__main__":
    main()
