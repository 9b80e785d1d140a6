"""Networks in code as an argument of the API: an object, or the text that names its factory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from triport.converters.networks.arguments import (
    Factory,
    NetArgumentError,
    Registered,
    is_factory,
    parse_factory,
    parse_net,
)
from triport.converters.networks.factories import Made, make, runtime_of

from .arguments import ArgumentError, Progress


def is_network(source: Any) -> bool:
    """Return whether a source is a network in code, by a text that names a factory or as an object."""
    if source is None or isinstance(source, os.PathLike):
        return False
    return is_factory(source) if isinstance(source, str) else True


def is_model_named(source: Any) -> bool:
    """Return whether a text is a model's name, and no file's.

    Raises:
        TriportError: it is both.
    """
    if not isinstance(source, str) or not re.fullmatch(r"\w+(\.\w+)?", source):
        return False
    if Path(source).is_file() and "." in source:
        return False  # looking all models up takes longer than reading a checkpoint
    try:
        return isinstance(parse_net(source), Registered)
    except NetArgumentError:
        if Path(source).is_file():
            raise
        return False


def network_of(source: Any, progress: Progress) -> Made:
    """Return the network that an object is, or that a factory makes.

    Raises:
        TriportError: there is none.
    """
    if isinstance(source, str):
        progress(f"building {source}")
        return make(parse_factory(source))
    runtime = runtime_of(source)
    kind = type(source).__name__
    if runtime is None:
        raise ArgumentError(
            f"a {kind}: expected a path, a torch.nn.Module, a mindspore.nn.Cell or package.module:factory"
        )
    return Made(Factory(kind, type(source).__module__, kind), source, runtime)
