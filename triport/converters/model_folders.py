"""Which file of a folder is its weights, where the folder is one of a hub's: Hugging Face's or ModelScope's.

The names are meant to be those that the hubs' own libraries look for: transformers' SAFE_WEIGHTS_NAME,
SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME and WEIGHTS_INDEX_NAME, open_clip's, and ModelScope's TORCH_MODEL_FILE
beside its configuration.json. They and their order are from memory, untested on real folders of either hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

# what says what the weights are: Hugging Face's, transformers' of images, ModelScope's
ABOUT = ("config.json", "preprocessor_config.json", "configuration.json")
NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "mindspore_model.ckpt",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.pt",
    "model.onnx",
)
_SUFFIXES = (
    ".safetensors",
    ".ckpt",
    ".bin",
    ".pth",
    ".pt",
    ".onnx",
    ".safetensors.index.json",
    ".bin.index.json",
)
# what accelerate, and transformers' Trainer, keep beside the weights
_OF_TRAINING = re.compile(
    r"(optimizer|scheduler|sampler|scaler|training_args|rng_state|random_states)(_\d+)?\."
)
_PART = re.compile(r"-\d+-of-\d+\.")  # of a checkpoint in several files
_FURTHER_MODEL = re.compile(r"(model|pytorch_model)_\d+\.")  # accelerate's second model


def chosen_of(names: Collection[str]) -> str | None:
    """Return which of a folder's files is its weights; None where none is, or where several could be."""
    if any(_FURTHER_MODEL.match(name) for name in names):
        return None
    for name in NAMES:
        if name in names:
            return name
    indices = [name for name in names if name.endswith((".safetensors.index.json", ".bin.index.json"))]
    if len(indices) == 1:
        return indices[0]
    others = [name for name in names if is_weights_name(name)]
    return others[0] if len(others) == 1 else None


def is_weights_name(name: str) -> bool:
    """Return whether a file is called as weights are."""
    return name.endswith(_SUFFIXES)


def weights_in(folder: str | os.PathLike[str]) -> Path | None:
    """Return the file of weights of a hub's folder or accelerate's; None where it is none, or has several."""
    names = _files(folder)
    found = chosen_of(names)
    told = set(ABOUT[:1] + ABOUT[2:]) & set(names) or any(name.endswith(".index.json") for name in names)
    if not told and (found not in NAMES or other_weights_in(folder)):
        return None
    return None if found is None else Path(folder) / found


def other_weights_in(folder: str | os.PathLike[str]) -> list[str]:
    """Return a folder's further files of weights, which are no part of a checkpoint nor of a training."""
    names = _files(folder)
    found = chosen_of(names)
    return [
        name
        for name in names
        if is_weights_name(name) and name != found and not (_OF_TRAINING.match(name) or _PART.search(name))
    ]


def _files(folder: str | os.PathLike[str]) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return []
