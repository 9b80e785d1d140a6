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

from triport.parity.imagenet.dataset.samples import DatasetError


@dataclass(frozen=True, slots=True)
class LayoutRequest:
    """What the caller says of the data.

    `num_classes` are the model's outputs, `labels` and `classes` files; `allow_subset`: a part will do;
    `stated` is what the network's own config.json calls its outputs.
    """

    num_classes: int
    labels: Path | None = None
    allow_subset: bool = False
    classes: Path | None = None
    stated: tuple[str, ...] = ()


@cache
def all_layouts() -> tuple[Any, ...]:
    """Return the modules of this folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


def refuse_classes(request: LayoutRequest, layout: str) -> None:
    """Raise DatasetError where `--classes` is given for a layout that has no names of classes."""
    if request.classes is not None:
        raise DatasetError(
            f"--classes {request.classes}: names the classes of folders, and these data are: {layout}"
        )
