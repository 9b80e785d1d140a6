"""A config.json beside the file, as timm and transformers keep it on a hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from triport.converters.formats import Checkpoint
from triport.converters.formats.beside import COUNT, stated_beside
from triport.converters.statements.statement import HARMLESS_ARGUMENTS, Statement, named_in, statements_in

NAME = "config.json"
_MAX_BYTES = 1 << 20
_WEIGHTS = (".pth", ".pt", ".bin", ".safetensors", ".ckpt", ".onnx", ".tar")
# what hubs call the file that a config.json is of
_OF_A_HUB = ("model", "pytorch_model", "open_clip_model")


def config_beside(file: str | Path, name: str = NAME) -> dict[str, Any]:
    """Return the config.json, or another of a hub's files, that is of a file of weights.

    It is this file's where the file has a hub's name, or no other weights lie in the folder. Empty where
    there is none, or where it is of another.
    """
    path = Path(file)
    config = path.with_name(name)
    try:
        if not config.is_file() or config.stat().st_size > _MAX_BYTES:
            return {}
        if path.name.partition(".")[0] not in _OF_A_HUB and _other_weights(path):
            return {}
        return _parsed(config.read_bytes())
    except OSError:
        return {}


def labels_beside(file: str | Path) -> tuple[str, ...]:
    """Return what the config.json beside a file calls the outputs, in order; empty where it does not.

    transformers writes id2label, timm label_names.
    """
    config = config_beside(file)
    names = config.get("label_names")
    by_number = config.get("id2label")
    if isinstance(by_number, dict) and set(by_number) == {str(number) for number in range(len(by_number))}:
        names = [by_number[str(number)] for number in range(len(by_number))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the config.json beside a file says."""
    config = config_beside(checkpoint.path)
    plain = stated_beside({key: value for key, value in config.items() if key != "model_name"})
    if not {"architecture", "pretrained_cfg"} & config.keys():
        # no publisher's: of anybody's words those that are an architecture's name
        yield from named_in(plain, f"{NAME}: ")
        return
    first = {key: value for key, value in plain.items() if key.count(".") == key.endswith(f".{COUNT}")}
    yield from statements_in(first, f"{NAME}: ")
    arguments = config.get("model_args")
    for key, value in (arguments if isinstance(arguments, dict) else {}).items():
        if key not in HARMLESS_ARGUMENTS:
            yield Statement(f"{NAME}: model_args.{key}", "option", str(value))


def _other_weights(path: Path) -> bool:
    return any(
        other.suffix.lower() in _WEIGHTS and other.name != path.name for other in path.parent.iterdir()
    )


@lru_cache(maxsize=4)
def _parsed(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
