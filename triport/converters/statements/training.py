"""Beside the weights of a .pth: `arch`, `args.model`, Lightning's hyper_parameters, a script's config."""

from __future__ import annotations

from collections.abc import Iterator

from triport.converters.formats import Checkpoint
from triport.converters.statements.statement import (
    HARMLESS_ARGUMENTS,
    Statement,
    entry_parts,
    said_in,
)

# where scripts keep how the network was made; "" is the first level
_PLACES = (
    *("", "args", "train_args", "hyper_parameters", "hparams", "config", "model_config", "cfg", "opt"),
    *("params", "meta", "model_args", "model_kwargs", "training_args", "options", "opts", "settings", "conf"),
    *("flags", "configuration", "arguments"),
)
_ARGUMENTS = ("model_kwargs", "model_args", "arch_kwargs")


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the checkpoint's training script wrote beside the weights."""
    near = {path: value for path, value in checkpoint.statements.items() if _is_near(entry_parts(path))}
    found = said_in(near, checkpoint.statements, "")
    yield from found
    told = {statement.where for statement in found}
    for path, value in near.items():
        # what the network was built with besides its name
        *places, key = entry_parts(path)
        is_argument = bool(places) and places[-1] in _ARGUMENTS
        if is_argument and key not in HARMLESS_ARGUMENTS and path not in told and value is not False:
            yield Statement(path, "option", value)


def _is_near(parts: list[str]) -> bool:
    return ".".join(parts[:-1]) in _PLACES or parts[0] in _PLACES[1:]
