"""The official folder, `ILSVRC2012_val_000?????.JPEG` without class folders; the classes come apart."""

from __future__ import annotations

from pathlib import Path

from parity.imagenet.dataset.labels import labelled
from parity.imagenet.dataset.samples import SUFFIXES, DatasetError, Image, ImageDataset
from reference_models.errors import listed

from . import IMAGES, Request, image_root

NAME = "flat folder"


def fits(data: Path) -> bool:
    """Whether `data`, or its val folder, has images and no folders."""
    if not data.is_dir():
        return False
    entries = _entries(image_root(data))
    return any(_is_image(entry) for entry in entries) and not any(entry.is_dir() for entry in entries)


def read(data: Path, request: Request) -> ImageDataset:
    """Return the images with the classes that the labels give them, sorted by name.

    Raises:
        DatasetError: an image has no label, or a file is no image.
    """
    root = image_root(data)
    entries = _entries(root)
    strangers = [entry for entry in entries if not _is_image(entry) and entry.suffix != ".txt"]
    if strangers:
        raise DatasetError(f"{root}: {len(strangers)} entries are no {IMAGES}\n{listed(strangers)}")
    images = [Image(entry, entry.name) for entry in entries if _is_image(entry)]
    return labelled(root, images, request.labels, request.num_classes, NAME)


def _is_image(entry: Path) -> bool:
    return entry.suffix.lower() in SUFFIXES and entry.is_file()


def _entries(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
