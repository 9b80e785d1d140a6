"""A config.json beside the file, as timm and transformers keep it on a hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from triport.converters.formats import Checkpoint, FormatError, short
from triport.converters.formats.beside import COUNT, stated_beside
from triport.converters.statements.statement import Statement, statements_in, undecided_in
from triport.reference_models.errors import counted

NAME = "config.json"
NO_NAME = re.compile(r"(LABEL_)?\d+")  # what transformers calls outputs that nobody has named
_MAX_BYTES = 1 << 20
_WEIGHTS = (".pth", ".pt", ".bin", ".safetensors", ".ckpt", ".onnx", ".tar")
# what hubs call the file that a config.json is of
_OF_A_HUB = ("model", "pytorch_model", "open_clip_model")
# what trainers call the checkpoints of one run
_OF_A_RUN = re.compile(
    r"(checkpoint|ckpt|last|best|model_best|model_ema|latest|final|epoch|step|iter|recovery|averaged|swa)"
    r"[-_=.\d]"
)


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
        if not is_of(path):
            return {}
        return _parsed(config.read_bytes())
    except OSError:
        return {}


def labels_beside(file: str | Path) -> tuple[str, ...]:
    """Return what the config.json beside a file calls the outputs, in order; empty where it does not.

    transformers writes id2label and label2id, timm label_names.

    Raises:
        FormatError: two of them say something else, or one does not number the outputs from 0.
    """
    config = config_beside(file)
    found = {}
    if isinstance(config.get("label_names"), list):
        found["label_names"] = config["label_names"]
    for key in ("id2label", "label2id"):
        table = config.get(key)
        if isinstance(table, dict) and table:
            numbered = table if key == "id2label" else {str(value): name for name, value in table.items()}
            if set(numbered) == {str(number) for number in range(len(table))}:
                found[key] = [numbered[str(number)] for number in range(len(table))]
            elif key == "id2label" or ("id2label" not in config and _is_a_run(numbered)):
                raise FormatError(
                    f"{Path(file).with_name(NAME)}: {key} does not number its "
                    f"{counted(len(table), 'class', 'classes')} "
                    f"from 0 to {len(table) - 1}: which output is called what is not known"
                )
    named = {key: tuple(names) for key, names in found.items() if all(isinstance(one, str) for one in names)}
    if len(set(named.values())) > 1:
        raise FormatError(
            f"{Path(file).with_name(NAME)}: {' and '.join(named)} name the outputs otherwise: "
            + "; ".join(f"{key} {', '.join(map(short, names[:3]))}, ..." for key, names in named.items())
        )
    return next(iter(named.values()), ())


def _is_a_run(numbered: Mapping[str, Any]) -> bool:
    """Whether a label2id has a class for each number: it has one less where two are called alike."""
    numbers = sorted(int(number) for number in numbered if number.isdecimal() and len(number) < 10)
    return len(numbers) == len(numbered) == numbers[-1] - numbers[0] + 1


def unknown_labels(file: str | Path) -> Iterator[Statement]:
    """Yield why it is not known what the config.json beside a file calls the outputs, where it names them."""
    try:
        labels_beside(file)
    except FormatError as error:
        why = str(error).partition(f"{NAME}: ")[2]
        yield Statement(f"{NAME}: {why.partition(' ')[0]}", "unread", why)


def labels_of(file: str | Path, outputs: int) -> tuple[str, ...]:
    """Return what the config.json beside a file calls so many outputs; empty where it does not."""
    labels = labels_beside(file)
    return labels if len(labels) == outputs and not all(map(NO_NAME.fullmatch, labels)) else ()


def publishers(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is a publisher's, of timm's form, not anybody's own."""
    return bool({"architecture", "pretrained_cfg"} & config.keys())


def read(checkpoint: Checkpoint) -> Iterator[Statement]:
    """Yield what a publisher's config.json beside a file says; `run_files` reads all others.

    What the outputs are called is read of either.
    """
    config = config_beside(checkpoint.path)
    yield from unknown_labels(checkpoint.path)
    if not publishers(config):
        return
    of_weights = config.get("pretrained_cfg")
    of_weights = of_weights if isinstance(of_weights, dict) else {}
    of_model = {key: value for key, value in config.items() if key not in ("model_name", "pretrained_cfg")}
    plain = stated_beside(of_model)
    yield from statements_in({key: value for key, value in plain.items() if _is_of_model(key)}, f"{NAME}: ")
    arguments = {key: value for key, value in plain.items() if key.startswith("model_args.")}
    for statement in undecided_in(arguments, f"{NAME}: ", first=1):
        yield statement._replace(about="argument" if statement.about == "unknown" else statement.about)
    stated = {
        key: of_weights[key]
        for key in ("architecture", "num_classes")
        if key in of_weights and key not in config
    }
    architecture = of_weights.get("architecture")
    if isinstance(architecture, str):
        stated["architecture"] = architecture
    yield from statements_in(stated_beside(stated), f"{NAME}: pretrained_cfg.")


def _is_of_model(key: str) -> bool:
    """Whether an entry is at the first level, or an argument of the model."""
    return key.count(".") == key.endswith(f".{COUNT}") or key.startswith("model_args.")


def is_of(path: Path) -> bool:
    """Whether what lies beside a file of weights is of it, not of other weights in the folder.

    A hub's folder has one file of a known name, and a run's checkpoints are all of one network.

    Raises:
        OSError: the folder cannot be listed.
    """
    name = path.name.lower()
    return (
        path.name.partition(".")[0] in _OF_A_HUB
        or _OF_A_RUN.match(name) is not None
        or not _other_weights(path)
    )


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
