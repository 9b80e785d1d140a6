"""One thing that a file says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Subject = Literal["model", "our model", "classes", "epsilon", "option"]

_MODEL_KEYS = ("arch", "architecture", "model", "model_name", "model_arch", "backbone", "net", "network")
_CLASSES_KEYS = ("num_classes", "nb_classes", "n_classes")
_EPSILON_KEYS = ("bn_eps", "norm_eps")
# what changes the function and no weight's shape, and the values that change nothing
_OPTIONS: Mapping[str, tuple[object, ...]] = {
    "global_pool": ("avg", "fast", "", None),
    "gp": ("avg", "fast", "", None),
    "output_stride": (32, None),
    "aa_layer": ("", None),
    "replace_stride_with_dilation": (False, None),
    "split_bn": (False, None),
}


# what changes no function: how a network was initialised or is trained
HARMLESS_ARGUMENTS = (
    *_CLASSES_KEYS,
    *(
        "drop",
        "drop_rate",
        "drop_path",
        "drop_path_rate",
        "drop_block_rate",
        "in_chans",
        "pretrained",
        "img_size",
    ),
    *("zero_init_residual", "zero_init_last", "progress"),
)
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
            BatchNorm's epsilon, or another option of its graph.
        value: what is said.
    """

    where: str
    about: Subject
    value: str | int | float | bool


def statements_in(values: Mapping[str, object], prefix: str = "") -> Iterator[Statement]:
    """Yield the statements in a table of texts and numbers, told by the last part of each dotted key."""
    for path, value in values.items():
        key = path.rpartition(".")[2]
        where = f"{prefix}{path}"
        if isinstance(value, str) and key in _MODEL_KEYS:
            if value.strip() and not _is_a_file(value):
                yield Statement(where, "model", value)
        elif isinstance(value, bool):
            if key in _OPTIONS and value not in _OPTIONS[key]:
                yield Statement(where, "option", value)
        elif isinstance(value, int | str) and key in _CLASSES_KEYS and str(value).isdecimal() and int(value):
            yield Statement(where, "classes", int(value))
        elif isinstance(value, int | float) and key in _EPSILON_KEYS:
            yield Statement(where, "epsilon", float(value))
        elif isinstance(value, str | int | float) and key in _OPTIONS and value not in _OPTIONS[key]:
            yield Statement(where, "option", value)


def _is_a_file(text: str) -> bool:
    """Whether a text is where something lies, not what it is: `--model weights/best.pth`."""
    return text.startswith(("/", "./", "../", "~")) or text.lower().endswith(_FILE_SUFFIXES)
