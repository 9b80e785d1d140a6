"""One thing that a file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Literal, NamedTuple

from triport.converters.formats.beside import COUNT, stated_beside
from triport.converters.statements.arguments import argument_name, is_harmless, is_preparation
from triport.converters.statements.tables_in_text import names_in, table_of
from triport.reference_models.spec import all_models

Subject = Literal[
    "model",
    "our model",
    "classes",
    "epsilon",
    "activation",
    "option",
    "argument",
    "preparation",
    "unknown",
    "unread",
    "class",
]

_MODEL_KEYS = (
    *("arch", "architecture", "model", "model_name", "model_arch", "backbone", "net", "network"),
    *("arch_name", "architecture_name", "model_architecture", "backbone_name", "net_name", "network_name"),
    *("timm_model",),
)
# a network beside this one, or one that this one comes from
_OF_ANOTHER = (
    *("teacher", "distil", "pretrain", "finetune", "fine_tune", "init", "resume", "checkpoint", "ckpt"),
    *("source", "parent", "baseline", "discriminator", "loss", "criterion", "optim", "perceptual"),
)
_CLASSES_KEYS = (
    *("num_classes", "nb_classes", "n_classes", "num_class", "nb_class", "n_class", "nclass", "nclasses"),
    *("num_labels", "class_num", "classes_num"),
)
# lists and tables of the outputs' names
_NAMES_OF_CLASSES = (
    *("classes", "class_names", "class_to_idx", "idx_to_class", "id2label", "label2id", "label_names"),
    *("classnames", "categories"),
)
_EPSILON_KEYS = ("bn_eps", "norm_eps", "bn_epsilon", "norm_epsilon", "batch_norm_epsilon", "batchnorm_eps")
_CLASS_KEYS = ("backbone.type", "encoder.type")
_KEYS_OF_TRANSFORMERS = ("model_type", "architectures")
_NORM_PLACES = (
    "norm_layer",
    "norm_cfg",
    "bn_args",
    "bn_kwargs",
    "norm_kwargs",
    "norm",
    "bn",
    "batch_norm",
    "norm_args",
)
_ACTIVATION_KEYS = ("act_layer", "act", "activation", "act_func", "act_fn", "activation_fn", "hidden_act")
_ARGUMENT = re.compile(
    r"""(?<![\w.])-{0,2}["']?(\w+)(?=["']?(?:\s*[=:]\s*|\s+)["']?([A-Za-z][\w./-]{2,80})(?![\w(]))"""
)
_MAX_ARGUMENTS = 2000
_MAX_NAME = 200
# what texts of key=value call a network
_WORD_OF_MODELS = re.compile(r"arch|model|backbone|net|encoder|^name$|^type$")
_MODULE = re.compile(r"^(torchvision|timm|mindcv)\.models\.(\w+\.)?(?=\w)")


_FILE_SUFFIXES = (
    ".pth",
    ".pt",
    ".tar",
    ".bin",
    ".ckpt",
    ".safetensors",
    ".onnx",
    ".yaml",
    ".yml",
    ".py",
    ".json",
)


class Statement(NamedTuple):
    """One thing that a file says of itself.

    Attributes:
        where: its place, for messages: "arch", "args.model", "config.json: architecture".
        about: the name of its architecture, in anyone's words or in triport's own, its number of classes,
            BatchNorm's epsilon, the class that makes it, an option of its graph that is known, an argument
            that is not, how images are prepared, what may be anything, or why it was not read.
        value: what is said.
        option: by its publishers' name, where it is one.
    """

    where: str
    about: Subject
    value: str | int | float | bool
    option: str = ""


def statements_in(values: Mapping[str, object], prefix: str = "") -> Iterator[Statement]:
    """Yield the statements in a table of texts and numbers, told by the last part of each dotted key."""
    for path, value in values.items():
        parts = entry_parts(path)
        about = _about(parts, value, is_count=path.endswith(f".{COUNT}"))
        if about is not None and not _is_of_another(".".join(parts[:-1])):
            kind, found = about
            option = argument_name(parts) if kind == "option" else None
            yield Statement(f"{prefix}{path.removesuffix(f'.{COUNT}')}", kind, found, option or "")


def undecided_in(values: Mapping[str, object], prefix: str = "", first: int = 0) -> Iterator[Statement]:
    """Yield what a table of options says that is neither known of networks nor of training.

    Args:
        values: texts and numbers by dotted key.
        prefix: stands before each key.
        first: how many parts of a key only say where it stands.
    """
    for path, value in values.items():
        parts = entry_parts(path)
        is_outside = len(parts) <= first and not is_preparation(parts[-1])
        if path.endswith(f".{COUNT}") or value is None or is_outside:
            continue
        if _about(parts, value, is_count=False) is not None or argument_name(parts):
            continue
        if is_preparation(parts[-1]):
            if value != "":
                yield Statement(f"{prefix}{path}", "preparation", str(value))
        elif not (_is_of_another(path) or is_harmless(parts[first:])) and value != "":
            yield Statement(
                f"{prefix}{path}", "unknown", value if isinstance(value, int | float) else str(value)
            )


def with_texts_read(values: Mapping[str, object]) -> dict[str, object]:
    """Return a table with what its texts say where they are tables themselves: JSON, YAML, a command."""
    found = dict(values)
    for path, value in values.items():
        is_text = isinstance(value, str) and len(value) > 2
        key = path.rpartition(".")[2]
        is_ultralytics = is_text and key == "names" and str(value).startswith("{")
        names = names_in(str(value)) if is_text and (key in _NAMES_OF_CLASSES or is_ultralytics) else []
        table = table_of(str(value)) if is_text and not names else None
        if names:
            found[f"{path}{'.class_names' if is_ultralytics else ''}.{COUNT}"] = len(names)
        if table:
            del found[path]
            found |= {f"{path}.{key}": inner for key, inner in stated_beside(table).items()}
    return found


def said_in(near: Mapping[str, object], everything: Mapping[str, object], prefix: str) -> list[Statement]:
    """Return the statements in a table, and the architectures that are named anywhere, each place once.

    Args:
        near: entries that are of this network, whatever they say.
        everything: all entries, of which those count that are the name of an architecture.
        prefix: stands before each key.
    """
    found = list(statements_in(with_texts_read(near), prefix))
    told = {statement.where for statement in found}
    return found + [one for one in named_in(everything, prefix) if one.where not in told]


def named_in(values: Mapping[str, object], prefix: str = "") -> Iterator[Statement]:
    """Yield the names of known architectures in a table, wherever they stand and whatever they are called.

    What says that it is of another network, a teacher or what the training began with, is left out.
    """
    for path, value in values.items():
        if isinstance(value, str) and not _is_of_another(path):
            for where, name in _names(path, value):
                yield Statement(f"{prefix}{where}", "model", name)


def entry_parts(path: str) -> list[str]:
    """Return the parts of a dotted key in small letters, without those of a list's items or their number."""
    parts = path.lower().replace("-", "_").split(".")
    while len(parts) > 1 and (parts[-1].isdecimal() or parts[-1] == COUNT):
        parts.pop()
    return parts


def _names(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield (where, name) of each known architecture that a text is, or names in key=value, YAML or words."""
    if _is_known(text):
        yield path, text
        return
    for found in islice(_ARGUMENT.finditer(text), _MAX_ARGUMENTS):
        key, name = found.groups()
        if _is_known(name) and not _is_of_another(key) and _WORD_OF_MODELS.search(key.lower()):
            yield f"{path}: {key}", name


def _is_of_another(path: str) -> bool:
    # timm's pretrained_cfg is of the network itself
    return any(word in path.lower().replace("pretrained_cfg", "") for word in _OF_ANOTHER)


def _is_known(text: str) -> bool:
    # a word alone is seldom one: no architecture is looked up for "adam"
    return len(text) <= 100 and any(c.isdecimal() for c in text) and plain_name(text) in _known_names()


@cache
def _known_names() -> frozenset[str]:
    names = set(all_models())
    for spec in all_models().values():
        names |= {one.name for one in spec.architectures}
    return frozenset(names)


def plain_name(text: str) -> str:
    """Return an architecture's name without a hub's owner and without the tag of one of its checkpoints."""
    last = _MODULE.sub("", text.strip().rpartition("/")[2].rpartition(":")[2])
    return last.partition(".")[0].lower().replace("-", "_")


def _about(
    parts: Sequence[str], value: object, is_count: bool
) -> tuple[Subject, str | int | float | bool] | None:
    """Return what an entry is about, and what it says; None where it says nothing of the network.

    Args:
        parts: of its dotted key, in small letters.
        value: what stands there.
        is_count: whether that is how many a list or table has.
    """
    key = parts[-1]
    if is_count:
        return ("classes", value) if key in _NAMES_OF_CLASSES and isinstance(value, int) else None
    if isinstance(value, str) and key in _MODEL_KEYS:
        return ("model", value) if _is_a_name(value) else None
    is_activation = key in _ACTIVATION_KEYS or ".".join(parts[-2:]) == "act_cfg.type"
    if isinstance(value, str) and is_activation:
        return ("activation", value) if activation_of(value) else None
    if key in _CLASSES_KEYS and (count := number_in(value)) and count.is_integer():
        return "classes", int(count)
    is_epsilon = key in _EPSILON_KEYS or (key == "eps" and len(parts) > 1 and parts[-2] in _NORM_PLACES)
    if is_epsilon and (number := number_in(value)) is not None:
        return "epsilon", number
    if (".".join(parts[-2:]) in _CLASS_KEYS or key in _KEYS_OF_TRANSFORMERS) and isinstance(value, str):
        return "class", value
    if isinstance(value, str | int | float) and argument_name(parts) is not None:
        return "option", value
    return None


def number_in(value: object) -> float | None:
    """Return a number, or that which a text is: YAML reads 1e-3 as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def activation_of(text: str) -> str | None:
    """Return what a graph here calls an activation by its usual names; None for what is none of a body.

    A Softmax or sigmoid is behind the network, as training scripts use the word.
    """
    word = re.sub(r"[^a-z0-9]", "", text.lower().rpartition(".")[2])
    return _ACTIVATIONS.get(word)


_ACTIVATIONS = {
    **{"relu": "relu", "relu6": "relu6", "silu": "silu", "swish": "silu", "mish": "mish", "gelu": "gelu"},
    **{
        "leakyrelu": "leakyrelu",
        "elu": "elu",
        "selu": "selu",
        "hardswish": "hardswish",
        "hswish": "hardswish",
    },
    **{"celu": "celu", "prelu": "prelu"},
}


def _is_a_name(text: str) -> bool:
    """Whether a text may be an architecture's name, not where something lies: `--model weights/best.pth`."""
    if not text.strip() or len(text) > _MAX_NAME or "\n" in text:
        return False
    return not (text.startswith(("/", "./", "../", "~")) or text.lower().endswith(_FILE_SUFFIXES))
