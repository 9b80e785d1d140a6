"""The layouts that labelled images come in: one file each, found by discovery, told apart by content.

Each has `NAME`, `fits(data)` (whether the data lie so) and `read(data, request)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

IMAGES = "images (.JPEG, .jpg, .png)"


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller says of the data: the model's outputs, a labels file, whether a part will do."""

    num_classes: int
    labels: Path | None = None
    allow_subset: bool = False


@cache
def all_layouts() -> tuple[Any, ...]:
    """Return the modules of this folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


def image_root(data: Path) -> Path:
    """Return `data`/val where there is one, else `data`."""
    return data / "val" if (data / "val").is_dir() else data
