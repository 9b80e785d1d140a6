"""`convert`: weights and graphs to another runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triport.reference_models.errors import counted

from .shared.command import Command, OutputFile, OutputFileOrFolder
from .shared.options import JSON, OFFLINE, RUNTIME, selection_options, with_options
from .shared.output import emit, print_lines, shown_progress
from .shared.several import expanded, is_pattern
from .shared.words import PRECISION_ALIASES, Word, complete_dialects, complete_models

if TYPE_CHECKING:
    from triport.converters.batches import BatchResult


class SizeWord(click.ParamType):
    """The side of images in pixels, or the word free."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it as a number, or the word."""
        if value in ("free", "dynamic"):
            return "free"
        if not str(value).isdecimal() or not 0 < int(value) <= _LARGEST_PX:
            self.fail(f"{value!r} is no number of pixels from 1 to {_LARGEST_PX}, and not 'free'", param, ctx)
        return int(value)


_LARGEST_PX = 8192
_WEIGHTS = (
    click.option(
        "--from", "source_runtime", type=RUNTIME, help="The runtime that SOURCE is of. Left out, it is found."
    ),
    click.option(
        "--model",
        metavar="NAME",
        shell_complete=complete_models,
        help="The model that SOURCE is a checkpoint of. Left out, it is found.",
    ),
    click.option(
        "--dialect",
        metavar="D",
        shell_complete=complete_dialects,
        help="Write the names of this library, such as mindcv or timm. Left out, they are those of "
        "triport's own definition.",
    ),
    click.option(
        "--dtype",
        type=Word("dtype", ("float16", "bfloat16", "float32"), PRECISION_ALIASES),
        help="Convert the values to this type, and say how far they were rounded. With float16, an ONNX file "
        "also computes in float16. Left out, SOURCE must have float32.",
    ),
    click.option(
        "--crc", is_flag=True, help="End a .ckpt with the CRC that MindSpore's crc_check=True compares."
    ),
    click.option(
        "--plain",
        is_flag=True,
        help="Write a .ckpt as MindSpore does. It then does not say which model it is of.",
    ),
)
_NAMES = (
    click.option(
        "--names",
        type=click.Path(path_type=Path),
        metavar="NAMES.toml",
        help="The file that `pair` wrote. SOURCE has the weights of one of its networks, and the other's are "
        "written.",
    ),
    click.option(
        "--into",
        type=click.Choice(["a", "b"]),
        help="With --names, which of the two networks to write for. Needed if both have the same names.",
    ),
)
_ONNX = (
    click.option(
        "--opset",
        type=int,
        default=17,
        show_default=True,
        help="The opset of the ONNX file: 13 to 21, or 11 to 21 if it is made of a .mindir file.",
    ),
    click.option(
        "--size",
        type=SizeWord(),
        metavar="PX|free",
        help="The height and width of an ONNX file's images in pixels. The word free leaves both free, where "
        "the graph allows it. Left out, it is the model's own.",
    ),
    click.option(
        "--io-dtype",
        type=Word("dtype", ("float32", "float16"), PRECISION_ALIASES),
        default="float32",
        show_default=True,
        help="With --dtype float16, the dtype of the ONNX file's input and output.",
    ),
    click.option(
        "--optimize",
        is_flag=True,
        help="Fold BatchNorm into the layers before it. The file is faster, and cannot be converted back.",
    ),
)
_GRAPH = (
    click.option(
        "--cell",
        metavar="MODULE:FACTORY",
        help="A MindSpore Cell in code, instead of SOURCE. It becomes ONNX.",
    ),
    click.option(
        "--checkpoint", type=click.Path(path_type=Path), help="A file with the weights of NET or --cell."
    ),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SPEC",
        help="An input of NET or --cell, such as 1x3x224x224 or tokens=1x128@length:int64:0..30522. Give it "
        "once for each input.",
    ),
    click.option(
        "--no-check", is_flag=True, help="Do not compare the graph that is written with what it was made of."
    ),
    click.option(
        "--report",
        type=OutputFile(path_type=Path),
        metavar="PAGE.html",
        help="For an .onnx file that becomes source, write a page: each module, how far it is from ONNX "
        "Runtime, and its source.",
    ),
)


_GROUPS = {
    "What is written": ("--to", "--output", "--dialect", "--dtype", "--crc", "--plain"),
    "What SOURCE is": ("--from", "--model", "--key", "--prefix", "--rename", "--no-head", "--offline"),
    "ONNX": ("--opset", "--size", "--io-dtype", "--optimize", "--no-check"),
    "Networks in code": ("--cell", "--checkpoint", "--input", "--names", "--into"),
    "Report": ("--report", "--json"),
}


@click.command(cls=Command, groups=_GROUPS)
@click.argument("sources", nargs=-1, metavar="[SOURCE...|NET]", shell_complete=complete_models)
@click.option("--to", type=RUNTIME, help="The runtime to write for. Left out, it is found from -o's suffix.")
@click.option(
    "-o",
    "--output",
    type=OutputFileOrFolder(path_type=Path),
    help="The file to write, or the folder for the source of an ONNX graph. Left out, it is SOURCE's name in "
    "this folder.",
)
@with_options(*_WEIGHTS, *_NAMES, *_ONNX, *_GRAPH)
@selection_options
@OFFLINE
@JSON
def convert(
    sources: tuple[str, ...], json_path: str | None, no_head: bool, no_check: bool, **asked: Any
) -> None:
    """Move weights or a network to another runtime, and check it.

    SOURCE is a .ckpt, .pth, .safetensors or .onnx file, recognised by its content. Every parameter is
    accounted for, and the bits of what was written are compared. Without SOURCE, the small trained Res2Net
    that triport ships is converted.

    SOURCE may also be a folder from a hub, the index of a checkpoint in several files, the name of published
    weights, hf-hub:owner/name, timm/name, an https address, or - for standard input. With several SOURCEs, or
    a pattern in quotes, -o is a folder.

    \b
    Whole networks are converted too:
      a .mindir file, or --cell    becomes ONNX
      NET, a network in code       becomes ONNX, and source where --to asks for it
      an .onnx file                becomes source and weights, if -o is a folder

    What was written is compared with what it was made of. Where the two differ, no file is kept, and the exit
    code is 1.

    NET is package.module:factory or path/file.py:factory, perhaps with literal arguments:
    "net.py:build('small', depth=2)".

    With --names, SOURCE has the weights of one of the two networks that `pair` found to be the same. They
    become those of the other.

    \b
    Example:
      python cli.py convert resnet50-e0733ab8.ckpt --to pytorch -o resnet50.pth
      python cli.py convert res2net50.mindcv --to pytorch
      python cli.py convert "checkpoints/*.ckpt" --to pytorch -o converted/
      python cli.py convert --from mindspore --to onnx
      python cli.py convert weights.pth --names NAMES.toml --to mindspore -o weights.ckpt
      python cli.py convert model.mindir --to onnx -o model.onnx
      python cli.py convert package.module:factory --to onnx --input 1x3x224x224 -o net.onnx
      python cli.py convert model.onnx --to pytorch -o model/ --report page.html
      python cli.py convert --to onnx --cell package.module:factory --input 1x3x224x224
    """
    import triport
    from triport.converters.tables import conversions_lines, lines_of

    found = expanded(sources)
    asked["to"] = asked["to"] or _runtime_of(asked["output"])
    asked |= {"head": not no_head, "check": not no_check}
    if len(found) > 1 or any(map(is_pattern, sources)):
        batch = _convert_each(found, asked)
        emit(batch.to_dict(), json_path, lambda: print_lines(conversions_lines(batch)))
        sys.exit(2 if batch.failed else 0 if batch.passed else 1)
    with shown_progress() as progress:
        done = triport.convert(found[0] if found else None, **asked, progress=progress)
    emit(done.to_dict(), json_path, lambda: print_lines(lines_of(done)))
    sys.exit(0 if done.passed else 1)


def _runtime_of(output: Path | None) -> str:
    """Return the one runtime whose files have an output's suffix.

    Raises:
        click.UsageError: there is none, or more than one.
    """
    if output is None or not output.suffix:
        raise click.UsageError(
            "Missing option '--to': say pytorch, mindspore or onnx, or name a file with -o"
        )
    from triport.converters.formats import formats

    suffix = output.suffix.lower()
    found = {runtime for one in formats().values() for runtime, ends in one.WRITES.items() if suffix in ends}
    found |= {"onnx"} if suffix == ".onnx" else set()
    if len(found) != 1:
        belongs = f"is of {' and '.join(sorted(found))}" if found else "is of no runtime"
        raise click.UsageError(f"Missing option '--to': {suffix} {belongs}; say which with --to")
    return found.pop()


def _may_be_folder(path: Path) -> bool:
    """Whether a folder may be made there: nothing is, and its name is not that of a file of weights."""
    from triport.converters.formats import formats

    written = {end for one in formats().values() for ends in one.WRITES.values() for end in ends}
    return not path.exists() and path.suffix.lower() not in {*written, ".onnx"}


def _convert_each(sources: list[str], asked: dict[str, Any]) -> BatchResult:
    """Convert many sources into one folder, each under its own name."""
    import triport
    from triport.api.sources import local_path
    from triport.converters.batches import BatchResult
    from triport.converters.default_output import default_output

    folder = asked.pop("output")
    if asked["report"] is not None:
        raise click.UsageError(f"--report is for the source of one graph, not of {len(sources)} sources")
    if folder is None or not (folder.is_dir() or _may_be_folder(folder)):
        raise click.UsageError(
            f"{counted(len(sources), 'source goes', 'sources go')} into a folder: name one with -o FOLDER"
        )
    taken: dict[str, str] = {}

    def convert_one(source: str) -> Any:
        # twice is no more work than once: what was brought is there
        path = local_path(source, progress, asked["offline"])
        name = default_output(path, asked["to"]).name
        if name in taken:
            raise triport.Error(
                f"becomes {folder / name}, and so does {taken[name]}: convert it alone, with -o"
            )
        taken[name] = source
        return triport.convert(source, folder / name, **asked, progress=progress)

    folder.mkdir(parents=True, exist_ok=True)
    with shown_progress() as progress:
        return BatchResult.of(sources, convert_one, "conversions")
