"""Beside the weights of a .pth: `arch`, `args.model`, Lightning's hyper_parameters, a script's config."""

from __future__ import annotations

from collections.abc import Iterator

from triport.converters.formats import Checkpoint
from triport.converters.statements.statement import HARMLESS_ARGUMENTS, Statement, statements_in

# where scripts keep how the network was made; "" is the first level
_PLACES = (
    *("", "args", "train_args", "hyper_parameters", "hparams", "config", "model_config", "cfg", "opt"),
    *("params", "meta", "model_args", "model_kwargs"),
)
_ARGUMENTS = ("model_kwargs", "model_args", "arch_kwargs")


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the checkpoint's training script wrote beside the weights."""
    near = {
        path: value
        for path, value in checkpoint.statements.items()
        if path.rpartition(".")[0] in _PLACES or path.split(".")[0] in _PLACES[1:]
    }
    yield from statements_in(near)
    for path, value in near.items():
        place, _, key = path.rpartition(".")
        # what the network was built with besides its name
        if place.rpartition(".")[2] in _ARGUMENTS and key not in HARMLESS_ARGUMENTS:
            yield Statement(path, "option", value)
