"""What a training run writes beside its checkpoints: args.yaml, hparams.yaml, a config.py, a config.json.

timm's train.py keeps args.yaml, Lightning hparams.yaml in the folder above `checkpoints`, mmengine the whole
configuration as Python. All are read as data, and what was not read is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from triport.converters.formats import Checkpoint, short
from triport.converters.formats.beside import stated_beside
from triport.converters.statements.config_file import NAME, is_of, publishers
from triport.converters.statements.preprocessing_files import TRANSFORMERS_NAME
from triport.converters.statements.statement import Statement
from triport.converters.statements.tables_in_text import (
    BASE,
    MAX_CHARACTERS,
    NotATableError,
    json_table,
    python_table,
    yaml_table,
)
from triport.converters.statements.training import stated_by_script

_STEMS = (
    *("config", "configs", "cfg", "args", "arguments", "hparams", "hyper_parameters", "hyperparameters"),
    *("params", "opt", "options", "settings", "train_args", "training_args", "train_config", "model_config"),
    *("model_args", "flags"),
)
_READERS = {".json": json_table, ".yaml": yaml_table, ".yml": yaml_table, ".py": python_table}
# folders that hold nothing but the checkpoints of the run above them
_OF_CHECKPOINTS = ("checkpoints", "weights", "ckpts", "ckpt", "models", "checkpoint")
# an assignment of mmengine's configurations, and what they build on
_A_MODEL = re.compile(rb"^(model\s*=\s*dict\(|_base_\s*=|with read_base\()", re.MULTILINE)
_MAX_LISTED = 2000
_MAX_READ = 8


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what the files beside a checkpoint say of how it was made, and which of them were not read."""
    path = Path(checkpoint.path)
    try:
        beside = _files_of_a_run(path)
    except OSError:
        return
    for name, file in beside[:_MAX_READ]:
        if not is_of(path):
            yield Statement(name, "unread", "other weights lie beside it, and it may be of those")
            continue
        try:
            table = _read(file, file.stat().st_mtime_ns)
        except (OSError, NotATableError) as error:
            yield Statement(name, "unread", short(str(error), 200))
            continue
        if file.name == NAME and publishers(table):
            continue
        for key in [key for key in table if str(key).lower() == BASE]:
            yield Statement(f"{name}: {key}", "unread", "another configuration, of which it is a change")
        plain = stated_beside({key: value for key, value in table.items() if key != "model_name"})
        for statement in stated_by_script(plain, plain, f"{name}: ", first=0):
            # anybody's words for a model need not be an architecture's name
            if statement.about != "model" or file.name != NAME or statement.where in _named(plain, name):
                yield statement
    for name, _ in beside[_MAX_READ:]:
        yield Statement(name, "unread", f"{_MAX_READ} files beside the weights were")


def files_read_with(path: Path) -> list[Path]:
    """Return the files beside a file of weights that are read with it."""
    try:
        beside = [file for _, file in _files_of_a_run(path)]
    except OSError:
        return []
    names = (NAME, TRANSFORMERS_NAME)
    return [file for file in (*beside, *map(path.with_name, names)) if file.is_file()]


def _named(plain: dict[str, Any], name: str) -> set[str]:
    from triport.converters.statements.statement import named_in

    return {statement.where for statement in named_in(plain, f"{name}: ")}


def _files_of_a_run(path: Path) -> list[tuple[str, Path]]:
    """Return the files beside weights that may say how they were made, with the names that messages have."""
    folder = path.parent
    found = [(file.name, file) for file in _files(folder)]
    if folder.absolute().name in _OF_CHECKPOINTS:
        found += [(f"../{file.name}", file) for file in _files(folder.parent)]
    return found


def _files(folder: Path) -> list[Path]:
    listed = sorted(folder.iterdir())[:_MAX_LISTED]
    return [file for file in listed if file.suffix in _READERS and _is_of_a_run(file)]


def _is_of_a_run(file: Path) -> bool:
    if file.suffix != ".py":
        return file.stem.lower() in _STEMS
    if not file.is_file():
        return False
    with file.open("rb") as stream:  # whatever it is called
        return _A_MODEL.search(stream.read(MAX_CHARACTERS)) is not None


@lru_cache(maxsize=16)
def _read(file: Path, _: int) -> dict[str, Any]:
    if not file.is_file():
        raise NotATableError("it is no regular file")
    if file.stat().st_size > MAX_CHARACTERS:
        raise NotATableError(f"it has more than {MAX_CHARACTERS // 1024} KiB")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotATableError(f"no text: {error}") from error
    return _READERS[file.suffix](text)
