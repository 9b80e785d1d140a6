"""Options that mean the same in every command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .command import OutputFile
from .words import RUNTIME_ALIASES, RUNTIMES, DeviceWord, Word

RUNTIME = Word("runtime", RUNTIMES, RUNTIME_ALIASES)
JSON = click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="PATH",
    is_flag=False,
    flag_value="-",
    help="Write the result as JSON to this file. With - or no path it goes to stdout, alone.",
)
OFFLINE = click.option(
    "--offline", is_flag=True, help="Use only what was downloaded before, and never the network."
)
DEVICE = click.option(
    "--device",
    type=DeviceWord(),
    default="cpu",
    show_default=True,
    metavar="cpu|cuda[:i]|npu[:i]",
    help="The device to run on. The words gpu and ascend mean cuda and npu.",
)

# of labelled images
LABELS = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="ImageNet's devkit, or a list of labels: it says which class each ILSVRC2012_val_*.JPEG is.",
)
CLASSES = click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="A file with the names of the class folders, one per line, in the order of the outputs.",
)
LIMIT = click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Score a sample of N images: the same ones in every run, evenly from the classes.",
)
ALLOW_SUBSET = click.option(
    "--allow-subset", is_flag=True, help="Accept a data set that has only a part of the images or classes."
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
    click.option(
        "--key",
        metavar="NAME",
        help="The key under which a .pth has the state dict, such as model. One in another is a.b or a/b.",
    ),
    click.option(
        "--prefix",
        metavar="P",
        help="The prefix of the network's names, such as student or ema. Tensors without it are left out.",
    ),
    click.option(
        "--rename",
        "renames",
        multiple=True,
        metavar="OLD=NEW",
        help="Rename a layer before names are looked at, as in fc.1=fc. May be given several times.",
    ),
    click.option("--no-head", is_flag=True, help="Leave out the last layer. SOURCE need not have one."),
)
