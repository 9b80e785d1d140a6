"""A published folder as a source: where its model file is. The folder itself is made by `publishing`."""

from __future__ import annotations

import os
from pathlib import Path

MANIFEST = "triport.json"
# it says of itself what the others cannot: which model's graph it is, and how images are prepared
MODEL_FILE = "model.onnx"


def is_published(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a folder that `publish` made."""
    return os.path.isfile(os.path.join(path, MANIFEST))  # noqa: PTH113, PTH118


def model_file(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return the model file of a published folder; any other path as it is."""
    return Path(path) / MODEL_FILE if is_published(path) else path
