"""A folder as a source: which of its files is meant. `publishing` makes folders that say so themselves."""

from __future__ import annotations

import os
from pathlib import Path

from triport.converters.model_folders import other_weights_in, weights_in

MANIFEST = "triport.json"
# it says of itself what the others cannot: which model's graph it is, and how images are prepared
MODEL_FILE = "model.onnx"


def is_published(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder that `publish` made."""
    return os.path.isfile(os.path.join(path, MANIFEST))  # noqa: PTH113, PTH118


def model_file(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return the model file of a published folder, the weights of a hub's; any other path as it is."""
    if is_published(path):
        return Path(path) / MODEL_FILE
    if os.path.isdir(path):  # noqa: PTH112 a folder of a stranger's is only looked at
        return weights_in(path) or path
    return path


def other_files(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of a hub's folder's files of weights that `model_file` does not take."""
    if is_published(path) or weights_in(path) is None:
        return []
    return other_weights_in(path)
