"""`parity`: do the runtimes compute the same?"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared.command import Command, OutputFile
from .shared.options import DEVICE, JSON
from .shared.output import emit, print_pieces, shown_progress, write_text

if TYPE_CHECKING:
    from triport.parity.check import ModelReport


class Tolerance(click.ParamType):
    """A number that a difference may be: not negative, not infinite, not NaN."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            self.fail(
                f"{value!r} is not a number from 0 on: nothing, or everything, would be equal", param, ctx
            )
        return number


class Numbers(click.ParamType):
    """Positive whole numbers with commas between."""

    name = "N[,N...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return them as a tuple, each once."""
        if isinstance(value, tuple):
            return value
        words = value.split(",")
        if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
            self.fail(f"{value!r} is not a positive number, or several with commas between", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))


NUMBERS = Numbers()


@click.command(cls=Command)
@click.argument("what", nargs=-1, metavar="MODEL|FILE...")
@click.option("--all", "every", is_flag=True, help="Check every model.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A checkpoint of MODEL, instead of random weights."
)
@click.option("--model", help="What the FILEs are of, where they do not tell.")
@click.option(
    "--runtimes",
    metavar="NAME,NAME",
    help="Which to compare. Default: mindspore,pytorch,onnx; see --precision.",
)
@DEVICE
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    help="float32, tf32, hf32, float16, bfloat16, AMP's O0 to O3: in the runtimes that compute so; int8: "
    "the ONNX files, quantised, or one of two FILEs that is.",
)
@click.option(
    "--tolerance",
    type=Tolerance(),
    help="Of the largest reference value. Default: a multiple of the noise of --precision, 8 for float32.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random weights and the input.")
@click.option(
    "--batch-size", "batch_sizes", type=NUMBERS, default="2", show_default=True, help="One, or 1,2,3."
)
@click.option("--layers", is_flag=True, help="Compare every module; name the first that parts.")
@click.option("--isolate", is_flag=True, help="Compare every module alone, fed the reference's input.")
@click.option(
    "--gradients", is_flag=True, help="Compare training: loss, every gradient, BatchNorm statistics."
)
@click.option("--steps", type=click.IntRange(1), help="Compare that many steps of SGD as well.")
@click.option(
    "--size", "sizes", type=NUMBERS, metavar="PX", help="Of the input, or 224,193. Default: the model's own."
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Take the first images of this folder, prepared as for the weights, instead of noise.",
)
@JSON
@click.option(
    "--html",
    "html_path",
    type=OutputFile(),
    metavar="PATH",
    help="Write a report as one self-contained page.",
)
@click.option(
    "--junit",
    "junit_path",
    type=OutputFile(),
    metavar="PATH",
    help="Write the verdicts as JUnit XML, for CI.",
)
def parity(
    what: tuple[str, ...],
    every: bool,
    weights: Path | None,
    model: str | None,
    runtimes: str | None,
    device: str,
    precision: str,
    tolerance: float | None,
    seed: int,
    batch_sizes: tuple[int, ...],
    layers: bool,
    isolate: bool,
    gradients: bool,
    steps: int | None,
    sizes: tuple[int, ...] | None,
    images: Path | None,
    json_path: str | None,
    html_path: str | None,
    junit_path: str | None,
) -> None:
    """Prove that every runtime computes the same function, against PyTorch in float64.

    A MODEL gets seeded weights in which no value is left at its initial one; a FILE its own. ONNX
    Runtime runs the file made from MindSpore and the one made from PyTorch. Besides two images, one
    alone is run, three, one of another size, one of a single colour and one of large values. Every
    further FILE is compared with the first too: by how much they are apart, which weights differ, or
    where the graph does; all but one may be ONNX files with BatchNorm folded and names of their own.
    Exit code 1 if not equal.

    \b
    Example:
      python cli.py parity res2net50
      python cli.py parity resnet50.pth resnet50.onnx
      python cli.py parity resnet50.onnx --layers --html report.html
      python cli.py parity res2net_digits --gradients --steps 10
      python cli.py parity resnet50.pth --images photos --batch-size 1,3 --size 224,193
      python cli.py parity resnet50 --precision float16
      python cli.py parity resnet50.pth resnet50_int8.onnx --precision int8
      python cli.py parity --all --json report.json
    """
    from rich.markup import escape

    from triport.parity.files import localise, telling_report, with_files_beside
    from triport.parity.localise import report as localise_report
    from triport.parity.precision import FULL, check_known
    from triport.parity.report import json_of, label_of, layers_table, table_of, verdict_of
    from triport.parity.runtimes import runtimes_with
    from triport.parity.subjects import check, check_precision_of, files_of, inputs_like, subjects_of, train
    from triport.parity.training import report as training_report
    from triport.reference_models.errors import TriportError

    def print_report(report: ModelReport) -> None:
        print_pieces(table_of(report))
        for pair in report.pairs:
            for found in (pair.layers, pair.isolated):
                if found is not None and found.parting is not None:
                    print_pieces(layers_table(label_of(pair), found))

    subjects = subjects_of(what, every=every, weights=weights, seed=seed, model=model)
    check_known(precision)
    if precision not in FULL and (gradients or steps):
        raise TriportError(f"--precision {precision}: training is compared in float32, leave one of both out")
    check_precision_of(subjects, precision)
    names = [name.strip() for name in runtimes.split(",")] if runtimes else list(runtimes_with(precision))
    shapes = [(size_px, batch_size) for size_px in sizes or (None,) for batch_size in batch_sizes]
    files = files_of(subjects)
    checked: list[list[ModelReport]] = []
    trained = []
    with shown_progress() as progress:
        for index, subject in enumerate(subjects):
            here = f"{index + 1}/{len(subjects)} {subject.name}"
            checked.append([])
            for number, (size_px, batch_size) in enumerate(shapes):
                first = checked[files[0]][number] if index in files[1:] else None
                report = check(
                    subject,
                    runtimes=names,
                    device=device,
                    tolerance=tolerance,
                    seed=seed,
                    batch_size=batch_size,
                    layers=layers,
                    isolate=isolate,
                    size_px=size_px,
                    images=images,
                    precision=precision,
                    # once for each subject
                    further=number == 0,
                    inputs=inputs_like(first, subject, size_px, images) if first else None,
                    skip_missing=runtimes is None,
                    progress=functools.partial(_tell, progress, here),
                )
                # files are compared by what they compute; of all others that need not be kept
                checked[-1].append(report if files else replace(report, function=None))
                if json_path != "-" and not files:
                    print_report(report)
            # statistics of one or two images are none
            trainings = dict.fromkeys((size_px, max(batch_size, 4)) for size_px, batch_size in shapes)
            for size_px, batch_size in trainings if gradients or steps else ():
                trained.append(
                    train(
                        subject,
                        runtimes=names,
                        device=device,
                        seed=seed,
                        batch_size=batch_size,
                        size_px=size_px,
                        steps=steps or 0,
                        progress=functools.partial(_tell, progress, here),
                    )
                )
                if json_path != "-":
                    print_pieces(training_report.table_of(trained[-1]))
        localised = localise(
            subjects,
            [telling_report(of_subject) for of_subject in checked],
            device=device,
            seed=seed,
            progress=functools.partial(_tell, progress, "files"),
        )
        by_shape = [
            with_files_beside(subjects, of_shape, layers=layers, seed=seed)
            for of_shape in zip(*checked, strict=True)
        ]
    reports = [report for of_subject in zip(*by_shape, strict=True) for report in of_subject]
    for report in reports if files and json_path != "-" else ():
        print_report(report)
    if html_path is not None:
        from triport.parity.report_html import page_of

        write_text(html_path, page_of(reports, localised=localised, trained=trained))
    if junit_path is not None:
        from triport.parity.report_junit import junit_of

        write_text(junit_path, junit_of(reports, localised, trained))
    verdicts = [
        *(escape(localise_report.lines_of(one, named=len(localised) > 1)) for one in localised),
        escape(verdict_of(reports, files_differ=not all(one.passed for one in localised))),
        *([training_report.verdict_of(trained)] if trained else []),
    ]
    value = {
        **json_of(reports),
        **({"localisation": localise_report.json_of(localised[0])} if localised else {}),
        **({"localisations": [localise_report.json_of(one) for one in localised]} if localised else {}),
        **({"training": training_report.json_of(trained)} if trained else {}),
    }
    emit(value, json_path, lambda: print_pieces(*verdicts))
    equal = all(report.passed for report in reports) and all(report.passed for report in trained)
    equal = equal and all(one.passed for one in localised)
    sys.exit(0 if equal else 1)


def _tell(progress: Callable[[str], None], where: str, step: str) -> None:
    progress(f"{where}: {step}")
