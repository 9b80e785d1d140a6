"""A NET is the same for every function that takes one.

It is a torch.nn.Module or a mindspore.nn.Cell; the text that names what makes one ("package.module:factory",
"path/file.py:factory", perhaps with literal arguments); an .onnx or a .mindir file; a folder with source that
`convert` wrote; a model that triport knows, by its name or as `triport.model` returns it; what
`triport.from_onnx` returns. What `triport.open` and `triport.from_onnx` return also stands for its file,
wherever a function takes a path. `inputs` describe what goes into it, once for each input: "2x3x32x32",
(2, 3, 32, 32), "tokens=2x16@length:int64:0..1000".
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triport.converters.networks.arguments import (
    Factory,
    NetArgumentError,
    Registered,
    is_factory,
    net_of,
    parse_net,
)
from triport.converters.networks.factories import Made, make
from triport.converters.networks.given import Given, runtime_of

from .arguments import ArgumentError, Progress
from .models import Model

FORMS = (
    "a path, a torch.nn.Module, a mindspore.nn.Cell, what triport.model, triport.from_onnx or triport.open "
    'returns, or a NET\'s text such as "package.module:factory"'
)


def as_net(what: Any) -> Any:
    """Return a NET as everything below the API takes it: a text, a path, or a Module or a Cell.

    Raises:
        ArgumentError: it is none.
    """
    if isinstance(what, Model):
        return what.name
    if not isinstance(what, str | os.PathLike) and runtime_of(what) is None:
        found = f"the class {what.__name__}" if isinstance(what, type) else f"a {type(what).__name__}"
        raise ArgumentError(f"{found}: expected {FORMS}")
    return what


def input_texts(inputs: Sequence[Any]) -> tuple[str, ...]:
    """Return descriptions of inputs as `--input` has them; a shape is one of float32.

    Raises:
        TriportError: one is neither.
    """
    if isinstance(inputs, str):
        raise ArgumentError(f"inputs={inputs!r}: expected a list, with one text for each input")
    from triport.converters.networks.input_specs import spec_of

    return tuple(one.strip() if isinstance(one, str) else str(spec_of(one)) for one in inputs)


def is_network(net: Any) -> bool:
    """Return whether a NET is a network in code: an object, or a text that names its factory."""
    return net is not None and (not isinstance(net, str | os.PathLike) or is_factory(os.fspath(net)))


def is_model_named(net: Any) -> bool:
    """Return whether a NET is a model's name, and no file's.

    Raises:
        TriportError: it is both.
    """
    if not isinstance(net, str) or not re.fullmatch(r"\w+(\.\w+)?", net):
        return False
    if Path(net).is_file() and "." in net:
        return False  # looking all models up takes longer than reading a checkpoint
    try:
        return isinstance(parse_net(net), Registered)
    except NetArgumentError:
        if Path(net).is_file():
            raise
        return False


def network_of(net: Any, progress: Progress) -> Made:
    """Return the network that an object is, or that a factory makes.

    Raises:
        TriportError: the factory makes none.
    """
    found = net_of(net)
    if not isinstance(found, Given):
        progress(f"building {found.text}")
    assert isinstance(found, Factory | Given)
    return make(found)
