"""`parity`: do the runtimes compute the same?"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shared.command import Command, OutputFile, typed_command
from .shared.options import DEVICE, JSON, OFFLINE
from .shared.output import emit, print_pieces, shown_progress, write_text
from .shared.words import RUNTIME_ALIASES, Names, Precision, complete_models

if TYPE_CHECKING:
    from triport.parity.check import ModelReport
    from triport.parity.session import ParityResult
    from triport.parity.training.result import TrainingReport


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


_GROUPS = {
    "What is compared": ("--all", "--weights", "--input", "--names", "--model", "--runtimes", "--offline"),
    "Where and how it runs": ("--device", "--precision", "--tolerance"),
    "Inputs": ("--seed", "--batch-size", "--size", "--images"),
    "More than logits": ("--layers", "--isolate", "--gradients", "--steps"),
    "Networks that run elsewhere": ("--save-inputs", "--inputs", "--outputs"),
    "Results": ("--json", "--html", "--junit"),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument("what", nargs=-1, metavar="MODEL|NET|SOURCE...", shell_complete=complete_models)
@click.option("--all", "every", is_flag=True, help="Check every model.")
@click.option(
    "--weights",
    metavar="FILE|own",
    help="A checkpoint of MODEL or NET, instead of random weights. The word own means the weights with which "
    "the code of NET makes it.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SPEC",
    help="An input of a NET, such as 1x3x224x224 or tokens=2x16@length:int64:0..1000. Give it once for each "
    "input.",
)
@click.option(
    "--names",
    type=click.Path(path_type=Path),
    metavar="NAMES.toml",
    help="The file that `pair` wrote for two NETs, whose parameters differ in their names or in how they are "
    "stored.",
)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_models,
    help="The model that SOURCE is a checkpoint of. Left out, it is found.",
)
@click.option(
    "--runtimes",
    type=Names(RUNTIME_ALIASES),
    metavar="NAME[,NAME...]",
    help="The runtimes to compare. Left out, they are mindspore,pytorch,onnx, or those of them that have "
    "--precision.",
)
@DEVICE
@click.option(
    "--precision",
    type=Precision(),
    default="float32",
    show_default=True,
    help="One of float32, tf32, hf32, float16, bfloat16 and AMP's O0 to O3, in those runtimes that have it. "
    "With int8, the ONNX files are quantised, unless one of two files already is.",
)
@click.option(
    "--tolerance",
    type=Tolerance(),
    help="The share of the largest reference value that is allowed. Left out, it is a multiple of the noise "
    "of --precision, 8 for float32.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The seed of the random weights and of the input."
)
@click.option(
    "--batch-size",
    "batch_sizes",
    type=NUMBERS,
    default="2",
    show_default=True,
    help="The number of images in a batch, or several numbers such as 1,2,3.",
)
@click.option("--layers", is_flag=True, help="Compare every module, and name the first that is wrong.")
@click.option("--isolate", is_flag=True, help="Compare every module alone, each on the reference's input.")
@click.option(
    "--gradients",
    is_flag=True,
    help="Also compare training: the loss, every gradient and BatchNorm's statistics.",
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Also compare N steps of SGD.")
@click.option(
    "--size",
    "sizes",
    type=NUMBERS,
    metavar="PX[,PX...]",
    help="The height and width of the images in pixels, or several such as 224,193. Left out, it is the "
    "model's own.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="A folder whose first images are the input, instead of noise. They are prepared as the weights need "
    "it.",
)
@click.option(
    "--save-inputs",
    type=OutputFile(path_type=Path),
    metavar="PATH",
    help="Write the inputs to this .npz file and stop. With it the network can be run elsewhere.",
)
@click.option(
    "--inputs",
    "recorded_inputs",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file that --save-inputs wrote. Give it with --outputs.",
)
@click.option(
    "--outputs",
    "recorded_outputs",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The .npz file to judge: what the network has computed elsewhere from --inputs.",
)
@OFFLINE
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
def parity(json_path: str | None, html_path: str | None, junit_path: str | None, **asked: Any) -> None:
    """Prove that every runtime computes the same function.

    Each runtime is compared with PyTorch in float64. Exit code 1 if one is not equal.

    MODEL is the name of a model that triport knows. It gets seeded weights, none of which is left at its
    initial value. SOURCE has weights of its own: a file, a folder from a hub, the name of published weights,
    hf-hub:owner/name, an https address, or - for standard input.

    Each further SOURCE is also compared with the first: the output says how far apart they are, and which
    weights differ, or where the graph does. All but one may be ONNX files whose BatchNorm is folded and whose
    tensors have other names.

    NET is a network of your own: package.module:factory, path/file.py:factory, an .onnx or a .mindir file.
    Give a Module and a Cell whose parameters agree by name, or by --names; or one of them, which is compared
    with the ONNX that is made of it. --input says what goes in.

    A network that runs where triport does not, on an NPU or a phone, is judged by two files: --save-inputs
    writes what to run there; --inputs and --outputs judge what came back.

    \b
    Example:
      python cli.py parity res2net50
      python cli.py parity resnet50.pth resnet50.onnx
      python cli.py parity resnet50.onnx --layers --html report.html
      python cli.py parity res2net_digits --gradients --steps 10
      python cli.py parity resnet50.pth --images photos --batch-size 1,3 --size 224,193
      python cli.py parity resnet50 --precision float16
      python cli.py parity resnet50.pth resnet50_int8.onnx --precision int8
      python cli.py parity "net.py:build('small')" cell.py:build --input 2x3x64x64 --layers
      python cli.py parity net.py:build cell.py:build --names NAMES.toml --input 2x3x64x64
      python cli.py parity resnet50 --weights resnet50.pth --save-inputs x.npz
      python cli.py parity resnet50 --weights resnet50.pth --inputs x.npz --outputs y.npz
      python cli.py parity --all --json report.json
    """
    from triport.api.parity import request_of
    from triport.parity.session import Listener, run, save

    if asked["save_inputs"] is not None:
        if html_path or junit_path:
            raise click.UsageError("--save-inputs compares nothing: there is no report to write")
        with shown_progress() as progress:
            saved = save(request_of(progress=progress, **asked))
        emit(saved.to_dict(), json_path, lambda: click.echo(str(saved)))
        return
    shows = json_path != "-"
    with shown_progress() as progress:
        listener = Listener(progress, _print_report, _print_training) if shows else Listener(progress)
        result = run(request_of(progress=progress, **asked), listener)
    _write_reports(result, html_path, junit_path)
    emit(result.to_dict(), json_path, lambda: print_pieces(*_verdicts(result)))
    sys.exit(0 if result.passed else 1)


def _write_reports(result: ParityResult, html_path: str | None, junit_path: str | None) -> None:
    if html_path is not None:
        from triport.parity.reports.page import page_of

        page = page_of(
            result.reports, localised=result.localised, trained=result.trained, command=typed_command()
        )
        write_text(html_path, page)
    if junit_path is not None:
        from triport.parity.reports.junit import junit_of

        write_text(junit_path, junit_of(result.reports, result.localised, result.trained))


def _print_report(report: ModelReport) -> None:
    from triport.parity.reports.terminal import label_of, layers_table, table_of

    print_pieces(table_of(report))
    for pair in report.pairs:
        for found in (pair.layers, pair.isolated):
            if found is not None and found.parting is not None:
                print_pieces(layers_table(label_of(pair), found))


def _print_training(report: TrainingReport) -> None:
    from triport.parity.training.report import table_of

    print_pieces(table_of(report))


def _verdicts(result: ParityResult) -> list[str]:
    """Return what differs between files, and the lines that say whether all is equal."""
    from rich.markup import escape

    from triport.parity.localise import report as localise_report
    from triport.parity.reports.terminal import verdict_of
    from triport.parity.training import report as training_report

    localised = result.localised
    return [
        *(escape(localise_report.lines_of(one, named=len(localised) > 1)) for one in localised),
        escape(
            verdict_of(
                result.reports,
                files_differ=not all(one.passed for one in localised),
                in_part=any(one.not_judged for one in localised),
            )
        ),
        *([training_report.verdict_of(result.trained)] if result.trained else []),
    ]
