"""What does `convert` cost? Against a copy of the file and against the script one would write by hand.

python benchmarks/convert.py [--runs N] [--model NAME] [--json PATH]

Every row is a whole process: CPU (user + system), wall time and peak memory. The rows take turns,
so that a busy machine slows all of them; figures are medians, and a ratio is the median of the
ratios within each round. The first round, which also warms the caches, is not counted: in it each
output is loaded in its framework and compared bit for bit with the weights that went in, so that
all rows of a direction do the same work.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    import numpy as np

    from reference_models.spec import ModelSpec

DIRECTIONS = {  # title: (source, runtime of the target, output's suffix, script)
    ".ckpt -> .pth": ("source.ckpt", "pytorch", ".pth", "pth_from_ckpt.py"),
    ".pth -> .ckpt": ("source.pth", "mindspore", ".ckpt", "ckpt_from_pth.py"),
    ".ckpt -> .safetensors": ("source.ckpt", "pytorch", ".safetensors", "safetensors_from_ckpt.py"),
}
COPY, SCRIPT, CONVERT = "cp", "obvious script", "cli.py convert"
START = "python -c pass"
METRICS = ("cpu_s", "wall_s", "peak_bytes")


class Usage(NamedTuple):
    """What one process took."""

    cpu_s: float
    wall_s: float
    peak_bytes: float


@dataclass(frozen=True, slots=True)
class Row:
    """One command of a direction, and what each of its counted runs took."""

    direction: str
    what: str
    command: list[str]
    output: Path | None
    runs: list[Usage] = field(default_factory=list)

    def median(self, metric: str) -> float:
        """Return the median of a metric over the runs."""
        return statistics.median(getattr(run, metric) for run in self.runs)

    def ratio(self, other: Row, metric: str) -> float:
        """Return the median, over the rounds, of this row's metric in units of the other's."""
        pairs = zip(self.runs, other.runs, strict=True)
        return statistics.median(getattr(a, metric) / getattr(b, metric) for a, b in pairs)


@click.command()
@click.option("--runs", type=click.IntRange(1), default=7, show_default=True, help="Counted rounds.")
@click.option("--model", default="resnet50", show_default=True, help="A ResNet, or a Res2Net but v1b.")
@click.option("--json", "json_path", metavar="PATH", help="Write every run as JSON; - is stdout.")
def main(runs: int, model: str, json_path: str | None) -> None:
    """Print what convert, a copy and the obvious script cost, side by side."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="triport-benchmark-") as name, console.status("") as status:
        folder = Path(name)
        status.update(f"writing random weights of {model}")
        _in_other_process(write_sources, model, folder)
        rows = list(commands(folder))
        floor_bytes = measure([_program("true")], folder).peak_bytes
        for number in range(runs + 1):
            for row in rows:
                status.update(f"round {number} of {runs}: {row.direction} {row.what}")
                used = measure(row.command, folder)
                if number:
                    row.runs.append(used)
                elif row.what in (SCRIPT, CONVERT) and row.output is not None:
                    _in_other_process(check_output, model, row.output, row.what)
                if row.output is not None:
                    row.output.unlink()  # writing over a file costs more than making one
        size_bytes = (folder / "source.ckpt").stat().st_size
    result = {
        "model": model,
        "source_bytes": size_bytes,
        "runs": runs,
        "peak_floor_bytes": floor_bytes,
        "rows": [as_dict(row, rows) for row in rows],
    }
    if json_path != "-":
        Console(width=None if sys.stdout.isatty() else 120).print(
            table_of(rows, model, size_bytes, floor_bytes)
        )
    if json_path is not None:
        text = json.dumps(result, indent=2) + "\n"
        if json_path == "-":
            click.echo(text, nl=False)
        else:
            Path(json_path).write_text(text, encoding="utf-8")


def commands(folder: Path) -> Iterator[Row]:
    """Yield the rows: the interpreter's start, then a copy, the script and `convert` per direction."""
    yield Row("", START, [sys.executable, "-c", "pass"], None)
    for direction, (source_name, runtime, suffix, script_name) in DIRECTIONS.items():
        source, output = str(folder / source_name), folder / f"output{suffix}"
        script = str(ROOT / "benchmarks" / "obvious_scripts" / script_name)
        copy = folder / f"copy{Path(source_name).suffix}"
        yield Row(direction, COPY, [_program("cp"), source, str(copy)], copy)
        yield Row(direction, SCRIPT, [sys.executable, script, source, str(output)], output)
        convert = [sys.executable, str(ROOT / "cli.py"), "convert", source, "--to", runtime]
        yield Row(direction, CONVERT, [*convert, "-o", str(output)], output)


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


def write_sources(model: str, folder: Path) -> None:
    """Write seeded weights as each framework would: source.ckpt and source.pth."""
    import mindspore
    import numpy as np
    import torch

    values = expected_values(model, "mindspore")
    parameters = [{"name": name, "data": mindspore.Tensor(value)} for name, value in values.items()]
    mindspore.save_checkpoint(parameters, str(folder / "source.ckpt"))
    values = expected_values(model, "pytorch")
    for name in [name for name in values if name.endswith(".running_var")]:
        values[name.replace("running_var", "num_batches_tracked")] = np.array(1, np.int64)
    torch.save({name: torch.from_numpy(value) for name, value in values.items()}, folder / "source.pth")


def expected_values(model: str, runtime: str) -> dict[str, np.ndarray]:
    """Return the seeded weights under the names that `runtime` knows them by."""
    from converters.names import name_map, reference_dialect
    from parity.random_weights import random_parameters
    from reference_models.spec import get_model

    spec: ModelSpec = get_model(model)
    names = name_map(spec, reference_dialect(spec, runtime))
    return {names[name]: value for name, value in random_parameters(spec).items()}


def check_output(model: str, path: Path, what: str) -> None:
    """Load an output in its framework and compare it bit for bit with the weights that went in.

    Raises:
        ValueError: names, shapes, types or values differ.
    """
    written = _loaded(path)
    expected = expected_values(model, "mindspore" if path.suffix == ".ckpt" else "pytorch")
    wrong = sorted(written.keys() ^ expected.keys())
    wrong += [
        name
        for name in written.keys() & expected.keys()
        if (written[name].dtype, written[name].shape) != (expected[name].dtype, expected[name].shape)
        or written[name].tobytes() != expected[name].tobytes()
    ]
    if wrong:
        raise ValueError(
            f"{what} to {path.suffix}: {len(wrong)} of {len(expected)} tensors of {model} are wrong, "
            f"{wrong[0]} the first. The scripts know ResNets and Res2Nets, not v1b"
        )


def _loaded(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix == ".pth":
        import torch

        return {name: value.numpy() for name, value in torch.load(path, weights_only=True).items()}
    if path.suffix == ".ckpt":
        import mindspore

        return {name: value.asnumpy() for name, value in mindspore.load_checkpoint(str(path)).items()}
    from safetensors.numpy import load_file

    return load_file(path)


def _in_other_process(function: Callable[..., None], *arguments: Any) -> None:
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


def _same_direction(row: Row, rows: list[Row], what: str) -> Row | None:
    """Return the row to compare with, None where that makes no sense."""
    if row.what == what or row.what == COPY:
        return None
    return next((other for other in rows if (other.direction, other.what) == (row.direction, what)), None)


def as_dict(row: Row, rows: list[Row]) -> dict[str, Any]:
    """Return a row with its medians, its ratios and every run."""
    result: dict[str, Any] = {"direction": row.direction or None, "what": row.what}
    result["median"] = {metric: row.median(metric) for metric in METRICS}
    for key, what in (("of_cp", COPY), ("of_script", SCRIPT)):
        other = _same_direction(row, rows, what)
        result[key] = other and {metric: row.ratio(other, metric) for metric in METRICS}
    result["runs"] = [run._asdict() for run in row.runs]
    return result


def table_of(rows: list[Row], model: str, size_bytes: int, floor_bytes: float) -> Table:
    """Return the rows as a table; a peak that cannot be told from the launcher's own is an upper bound."""
    runs = len(rows[0].runs)
    table = Table(
        title=f"Whole processes, {model} ({size_bytes / 1e6:.1f} MB), medians of {runs} interleaved runs",
        caption="of cp, of script: the median ratio within each round. Outputs bit-equal.",
    )
    table.add_column("")
    for heading in ("CPU s", "of cp", "of script", "wall s", "of cp", "of script", "peak MB", "of script"):
        table.add_column(heading, justify="right")
    direction = ""
    for row in rows:
        if row.direction != direction:
            direction = row.direction
            table.add_section()
            table.add_row(f"[bold]{direction}")
        cells = []
        for metric in ("cpu_s", "wall_s"):
            cells.append(f"{row.median(metric):.3f}")
            cells += [_ratio_cell(row, rows, what, metric) for what in (COPY, SCRIPT)]
        peak = row.median("peak_bytes")
        cells.append(f"{'< ' if peak <= 1.03 * floor_bytes else ''}{peak / 1e6:.0f}")
        cells.append(_ratio_cell(row, rows, SCRIPT, "peak_bytes"))
        table.add_row(row.what, *cells)
    return table


def _ratio_cell(row: Row, rows: list[Row], what: str, metric: str) -> str:
    other = _same_direction(row, rows, what)
    if other is None:
        return ""
    ratio = row.ratio(other, metric)
    return f"{ratio:.{0 if ratio >= 10 else 2 if ratio >= 0.1 else 3}f} x"


if __name__ == "__main__":
    main()
