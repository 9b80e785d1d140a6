"""`convert`: weights and graphs to another runtime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .shared.command import Command, OutputFile
from .shared.options import JSON, RUNTIME, selection_of, selection_options
from .shared.output import emit, shown_progress


@click.command(cls=Command)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--from", "source_runtime", type=RUNTIME, help="What SOURCE must be; left out, it is found.")
@click.option("--to", required=True, type=RUNTIME, help="The runtime to write for.")
@click.option("--model", metavar="NAME", help="What SOURCE must be a checkpoint of; left out, it is found.")
@click.option("--dialect", metavar="D", help="Whose names to write: mindcv, torchvision, timm, ...")
@click.option(
    "-o", "--output", type=OutputFile(path_type=Path), help="Default: SOURCE's name, in this folder."
)
@click.option(
    "--dtype",
    type=click.Choice(["float16", "bfloat16", "float32"]),
    help="Convert the values, and say how far they were rounded. Left out, only float32 is taken.",
)
@click.option(
    "--crc", is_flag=True, help="End a .ckpt with the CRC that MindSpore's crc_check=True compares."
)
@click.option(
    "--plain",
    is_flag=True,
    help="A .ckpt of MindSpore's own bytes alone, which do not say what model they are of.",
)
@click.option("--opset", type=int, default=17, show_default=True, help="For ONNX: 13 to 21; .mindir from 11.")
@click.option("--optimize", is_flag=True, help="For ONNX: fold BatchNorm; faster, cannot be converted back.")
@click.option("--cell", metavar="MODULE:FACTORY", help="Any MindSpore Cell instead of SOURCE, to ONNX.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The parameters of --cell.")
@click.option(
    "--input", "inputs", multiple=True, metavar="SHAPE[:DTYPE]", help="Of --cell, each: 1x3x224x224:float32"
)
@click.option("--no-check", is_flag=True, help="Do not compare a Cell or .mindir file with MindSpore.")
@selection_options
@JSON
def convert(
    source: Path | None,
    source_runtime: Any,
    to: Any,
    model: str | None,
    dialect: str | None,
    output: Path | None,
    dtype: str | None,
    crc: bool,
    plain: bool,
    opset: int,
    optimize: bool,
    cell: str | None,
    checkpoint: Path | None,
    inputs: tuple[str, ...],
    no_check: bool,
    key: str | None,
    prefix: str | None,
    renames: tuple[str, ...],
    no_head: bool,
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
    from triport.converters.mindir.asked import is_graph_asked

    if is_graph_asked(source, cell, checkpoint, inputs, no_check):
        from triport.converters.mindir.asked import convert_asked

        others = {
            "--model": model,
            "--dialect": dialect,
            "--dtype": dtype,
            "--optimize": optimize,
            "--crc": crc,
            "--plain": plain,
        }
        others |= {"--key": key, "--prefix": prefix, "--rename": " ".join(renames), "--no-head": no_head}
        others["--from"] = source_runtime if source_runtime != "mindspore" else None
        with shown_progress() as progress:
            graph = convert_asked(
                source, cell, checkpoint, inputs, to, output, opset, not no_check, others, progress
            )
        emit(graph.as_dict(), json_path, lambda: click.echo("\n".join(graph.lines())))
        sys.exit(0 if graph.passed else 1)
    from triport.converters.convert import convert as run
    from triport.converters.tables import conversion_lines

    with shown_progress() as progress:
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
            crc=crc,
            plain=plain,
            selection=selection_of(key, prefix, renames),
            with_head=not no_head,
            progress=progress,
        )
    lines = conversion_lines(done, shipped=source is None)
    emit(done.as_dict(), json_path, lambda: click.echo("\n".join(lines)))
