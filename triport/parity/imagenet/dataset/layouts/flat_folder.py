"""The official folder, `ILSVRC2012_val_000?????.JPEG` without class folders; the classes come apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from triport.parity.imagenet.dataset.labels import labelled
from triport.parity.imagenet.dataset.samples import (
    SUFFIXES,
    DatasetError,
    Image,
    ImageDataset,
    images_among,
    passed_over,
    printable,
)
from triport.parity.imagenet.dataset.splits import image_root
from triport.reference_models.errors import counted, listed

from . import LayoutRequest, parquet, refuse_classes

NAME = "flat folder"


def fits(data: Path) -> bool:
    """Whether `data`, or its val folder, has images and no folders."""
    if not data.is_dir() or parquet.fits(data):
        return False
    entries = _entries(image_root(data))
    return any(_is_image(entry) for entry in entries) and not any(entry.is_dir() for entry in entries)


def read(data: Path, request: LayoutRequest) -> ImageDataset:
    """Return the images with the classes that the labels give them, sorted by name.

    Raises:
        DatasetError: an image has no label, or a file may be an image of another kind.
    """
    refuse_classes(request, NAME)
    root = image_root(data)
    entries = _entries(root)
    others = [printable(str(entry)) for entry in entries if not entry.is_file()]
    if others:
        raise DatasetError(
            f"{root}: {counted(len(others), 'entry is no file', 'entries are no files')}\n{listed(others)}"
        )
    images, beside = images_among(root, (entry.name for entry in entries))
    found = labelled(
        root, [Image(root / name, name) for name in sorted(images)], request.labels, request.num_classes, NAME
    )
    if request.labels is not None:
        beside = [name for name in beside if root / name != request.labels]
    return replace(found, notes=(*found.notes, *passed_over(beside)))


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in SUFFIXES and entry.is_file()


def _entries(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
