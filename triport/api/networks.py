"""Networks in code as an argument of the API: an object, or the text that names its factory."""

from __future__ import annotations

import os
from typing import Any

from triport.converters.networks.arguments import Factory, is_factory, parse_factory
from triport.converters.networks.factories import Made, make, runtime_of

from .arguments import ArgumentError, Progress


def is_network(source: Any) -> bool:
    """Return whether a source is a network in code, by a text that names a factory or as an object."""
    if source is None or isinstance(source, os.PathLike):
        return False
    return is_factory(source) if isinstance(source, str) else True


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
