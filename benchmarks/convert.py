"""What does `convert` cost? Against a copy, safetensors' own loading, and the script one would write.

python benchmarks/convert.py [--quick] [--runs N] [--model NAME[:CLASSES]]... [--no-scripts] [--json PATH]

Every row is a whole process: CPU (user + system), wall time and peak memory. The rows take turns,
so that a busy machine slows all of them; figures are medians, and a ratio is the median of the
ratios within each round. The first round, which also warms the caches, is not counted: in it each
output is loaded by its own library and compared bit for bit with the weights that went in, so that
all rows of a direction do the same work. With --names the same weights are converted by a NAMES.toml of
the two networks, as if triport did not know them. A 1 GiB checkpoint is a ResNet-50 with many classes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.benchmark_files import check_output, write_sources
from benchmarks.benchmark_rows import BY_NAMES, CONVERT, COPY, SCRIPT, START, Row, Usage, as_dict, tables_of
from triport import commands as command_files

MODELS = ("resnet50", "resnet152", "resnet50:119508")
SCRIPTS = ROOT / "benchmarks" / "obvious_scripts"


class Direction(NamedTuple):
    """A conversion, and what else does the same."""

    source: str
    runtime: str
    suffix: str
    script: str
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f".{self.source.rpartition('.')[2]} -> {self.suffix} ({self.runtime})"


# safetensors' own loading and saving renames nothing: it is there as a measure of speed
LIBRARY = ("safetensors_load_file.py", "safetensors_safe_open.py")
DIRECTIONS = (
    Direction("source.ckpt", "pytorch", ".pth", "pth_from_ckpt.py"),
    Direction("source.pth", "mindspore", ".ckpt", "ckpt_from_pth.py"),
    Direction("source.ckpt", "pytorch", ".safetensors", "safetensors_from_ckpt.py"),
    Direction("source.safetensors", "mindspore", ".ckpt", "ckpt_from_safetensors.py"),
    Direction("source.pth", "pytorch", ".safetensors", "safetensors_from_pth.py"),
    Direction("source.safetensors", "pytorch", ".pth", "pth_from_safetensors.py", LIBRARY),
    Direction("source.onnx", "pytorch", ".pth", "pth_from_onnx.py"),
)


@click.command()
@click.option("--quick", is_flag=True, help="ResNet-50 only, three rounds.")
@click.option("--runs", type=click.IntRange(1), help="Counted rounds; default: 5, and 3 from half a GiB on.")
@click.option("--model", "models", multiple=True, help=f"Of ResNets only; default: {', '.join(MODELS)}.")
@click.option(
    "--no-scripts", is_flag=True, help="Leave out the obvious scripts, which take most of the time."
)
@click.option("--json", "json_path", metavar="PATH", help="Write every run as JSON; - is stdout.")
def main(
    quick: bool, runs: int | None, models: tuple[str, ...], no_scripts: bool, json_path: str | None
) -> None:
    """Print what convert, a copy, safetensors and the obvious script cost, side by side."""
    if quick:
        runs, models = runs or 3, models or MODELS[:1]
    results = []
    with Console(stderr=True).status("") as status:
        for model in models or MODELS:
            results.append(measured(model, runs, no_scripts, status.update))
        helps = measured_help(runs or 5, status.update)
    floor_bytes = min(result["peak_floor_bytes"] for result in results)
    if json_path != "-":
        console = Console(width=None if sys.stdout.isatty() else 150)
        for result in results:
            console.print(*tables_of(result.pop("all_rows"), result, floor_bytes), sep="\n")
        console.print(*tables_of(helps, {"model": "", "source_bytes": 0}, floor_bytes), sep="\n")
    for result in results:
        result.pop("all_rows", None)
    if json_path is not None:
        report = {"models": results, "help": [as_dict(row, helps) for row in helps]}
        text = json.dumps(report, indent=2) + "\n"
        if json_path == "-":
            click.echo(text, nl=False)
        else:
            Path(json_path).write_text(text, encoding="utf-8")


def measured(
    model: str, runs: int | None, no_scripts: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return every row of one checkpoint."""
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as name:
        folder = Path(name)
        progress(f"{model}: writing random weights")
        in_other_process(write_sources, model, folder)
        size_bytes = (folder / "source.ckpt").stat().st_size
        runs = runs or (3 if size_bytes > 2**29 else 5)
        rows = [row for row in commands(folder) if row.what != SCRIPT or not no_scripts]
        floor_bytes = measure([_program("true")], folder).peak_bytes
        for number in range(runs + 1):
            for row in rows:
                progress(f"{model}: round {number} of {runs}: {row.direction} {row.what}")
                used = measure(row.command, folder)
                if number:
                    row.runs.append(used)
                elif row.is_checked and row.output is not None:
                    in_other_process(check_output, folder, row.output, row.what)
                if row.output is not None:
                    row.output.unlink()  # writing over a file costs more than making one
    return {
        "model": model,
        "source_bytes": size_bytes,
        "runs": runs,
        "peak_floor_bytes": floor_bytes,
        "rows": [as_dict(row, rows) for row in rows],
        "all_rows": rows,
    }


def measured_help(runs: int, progress: Callable[[str], None]) -> list[Row]:
    """Return rows of the help of the command line and of each command."""
    names = sorted(module.name for module in pkgutil.iter_modules(command_files.__path__) if not module.ispkg)
    rows = [Row("help", START, [sys.executable, "-c", "pass"], None)]
    for name in ("", *names):
        words = [name, "--help"] if name else ["--help"]
        rows.append(
            Row("help", f"cli.py {' '.join(words)}", [sys.executable, str(ROOT / "cli.py"), *words], None)
        )
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as folder:
        for number in range(runs + 1):
            for row in rows:
                progress(f"round {number} of {runs}: {row.what}")
                used = measure(row.command, Path(folder))
                if number:
                    row.runs.append(used)
    return rows


def commands(folder: Path) -> Iterator[Row]:
    """Yield the rows: the interpreter's start, then a copy, the scripts and `convert` per direction."""
    yield Row("", START, [sys.executable, "-c", "pass"], None)
    for direction in DIRECTIONS:
        source, output = str(folder / direction.source), folder / f"output{direction.suffix}"
        copy = folder / f"copy{Path(source).suffix}"
        yield Row(str(direction), COPY, [_program("cp"), source, str(copy)], copy)
        for name in direction.others:
            other = folder / f"other{Path(source).suffix}"
            what = f"safetensors {name.removeprefix('safetensors_').removesuffix('.py')} + save_file"
            yield Row(str(direction), what, [sys.executable, str(SCRIPTS / name), source, str(other)], other)
        script = [sys.executable, str(SCRIPTS / direction.script), source, str(output)]
        yield Row(str(direction), SCRIPT, script, output, is_checked=True)
        convert = [sys.executable, str(ROOT / "cli.py"), "convert", source, "--to", direction.runtime]
        yield Row(str(direction), CONVERT, [*convert, "-o", str(output)], output, is_checked=True)
        if (direction.source == "source.ckpt") == (direction.runtime == "pytorch"):  # from one to the other
            by_names = [*convert, "--names", str(folder / "NAMES.toml"), "-o", str(output)]
            yield Row(str(direction), BY_NAMES, by_names, output, is_checked=True)


def measure(command: list[str], folder: Path) -> Usage:
    """Run a command to its end and return what it took; byte code is kept in `folder`.

    Raises:
        ClickException: it failed; the message is its output.
    """
    launcher = str(ROOT / "benchmarks" / "measure_process.py")
    # every program finds its own and its libraries' byte code, whatever this environment keeps
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
    launch = [sys.executable, "-I", "-S", launcher]
    done = subprocess.run([*launch, *command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return Usage(*map(float, done.stdout.splitlines()[-1].split()))


def in_other_process(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function that loads frameworks where that leaves nothing behind; its errors are raised here."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            pool.apply(function, arguments)
        except Exception as error:
            raise click.ClickException(str(error)) from error


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise click.ClickException(f"there is no `{name}` on this machine's PATH")
    return path


if __name__ == "__main__":
    main()
