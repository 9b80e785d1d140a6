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
    help="Write the result as JSON. A - writes it to stdout, and nothing else goes there.",
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
    help="The device to run on. The words gpu and ascend mean cuda and npu.",
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
    click.option("--key", metavar="NAME", help="Where the state dict lies in a .pth, as a.b or a/b."),
    click.option(
        "--prefix",
        metavar="P",
        help="The prefix of the network's names, such as student or ema. Others are left out.",
    ),
    click.option(
        "--rename", "renames", multiple=True, metavar="OLD=NEW", help="Rename a layer, as in fc.1=fc."
    ),
    click.option("--no-head", is_flag=True, help="Leave out the last layer, which need not be there."),
)
