"""Options that mean the same in every command."""

from __future__ import annotations

import click

from .command import OutputFile

RUNTIME = click.Choice(["mindspore", "pytorch", "onnx"])
JSON = click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="PATH",
    help="Write the result as JSON; - is stdout, and nothing else goes there.",
)
DEVICE = click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:i]|npu[:i]")
