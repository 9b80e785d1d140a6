"""Options that mean the same in every command."""

from __future__ import annotations

import click

RUNTIME = click.Choice(["mindspore", "pytorch", "onnx"])
JSON = click.option(
    "--json",
    "json_path",
    metavar="PATH",
    help="Write the result as JSON; - is stdout, and nothing else goes there.",
)
DEVICE = click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda[:i]|npu[:i]")
