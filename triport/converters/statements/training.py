"""Beside the weights of a .pth: `arch`, `args.model`, Lightning's hyper_parameters, a script's config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from triport.converters.formats import Checkpoint
from triport.converters.statements.statement import (
    Statement,
    entry_parts,
    said_in,
    undecided_in,
    with_texts_read,
)

# where scripts keep how the network was made; "" is the first level
_PLACES = (
    *("", "args", "train_args", "hyper_parameters", "hparams", "config", "model_config", "cfg", "opt"),
    *("params", "meta", "model_args", "model_kwargs", "training_args", "options", "opts", "settings", "conf"),
    *("flags", "configuration", "arguments", "argv", "command", "cmd"),
)
_ARGUMENTS = ("model_kwargs", "model_args", "arch_kwargs")


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the checkpoint's training script wrote beside the weights."""
    near = {path: value for path, value in checkpoint.statements.items() if _is_near(entry_parts(path))}
    yield from stated_by_script(near, checkpoint.statements, "", first=1)


def stated_by_script(
    near: Mapping[str, object], everything: Mapping[str, object], prefix: str, first: int
) -> Iterator[Statement]:
    """Yield what a training script wrote down, and what of it cannot be judged.

    Args:
        near: entries that are of this network, whatever they say.
        everything: all entries, of which those count that are the name of an architecture.
        prefix: stands before each key.
        first: how many parts of a key only say where it stands.
    """
    near = with_texts_read(near)
    found = said_in(near, everything, prefix)
    yield from found
    told = {statement.where for statement in found}
    for statement in undecided_in(near, prefix, first):
        # what the network was built with, by words that are not known
        of_the_network = entry_parts(statement.where.removeprefix(prefix))[-2:-1]
        if of_the_network and of_the_network[0] in _ARGUMENTS and statement.about == "unknown":
            statement = statement._replace(about="argument")
        if statement.where not in told:
            yield statement


def _is_near(parts: list[str]) -> bool:
    return ".".join(parts[:-1]) in _PLACES or parts[0] in _PLACES[1:]
