"""Options that mean the same in every command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .command import OutputFile
from .words import RUNTIME_ALIASES, RUNTIMES, Device, Word

RUNTIME = Word("runtime", RUNTIMES, RUNTIME_ALIASES)
JSON = click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="PATH",
    help="Write the result as JSON; - is stdout, and nothing else goes there.",
)
OFFLINE = click.option(
    "--offline", is_flag=True, help="Use only what was downloaded before, and never the network."
)
DEVICE = click.option(
    "--device",
    type=Device(),
    default="cpu",
    show_default=True,
    metavar="cpu|cuda[:i]|npu[:i]",
    help="Where to run; gpu and ascend are other words for cuda and npu.",
)


def with_options(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that adds several options to a command, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# which of a file's tensors are meant
selection_options = with_options(
    click.option("--key", metavar="NAME", help="Where the state dict lies in a .pth: a.b or a/b."),
    click.option("--prefix", metavar="P", help="Which part of the names is the network: student, ema."),
    click.option(
        "--rename", "renames", multiple=True, metavar="OLD=NEW", help="A layer's other name: fc.1=fc."
    ),
    click.option("--no-head", is_flag=True, help="Without the last layer, which need not be there."),
)
