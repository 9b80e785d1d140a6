"""One folder per class: `val/<wnid>/*.JPEG`, or any other ImageFolder with its own classes."""

from __future__ import annotations

from pathlib import Path

from triport.parity.imagenet.dataset.class_map import map_of_folders
from triport.parity.imagenet.dataset.samples import (
    FOLDERS_OF_SYSTEMS,
    IMAGES,
    SUFFIXES,
    DatasetError,
    Image,
    ImageDataset,
    Sample,
    images_among,
    passed_over,
    printable,
)
from triport.parity.imagenet.dataset.splits import image_root
from triport.reference_models.errors import counted, listed

from . import LayoutRequest, parquet

NAME = "class folders"


def fits(data: Path) -> bool:
    """Whether `data`, or its val folder, has folders."""
    return data.is_dir() and bool(_folders(image_root(data))) and not parquet.fits(data)


def read(data: Path, request: LayoutRequest) -> ImageDataset:
    """Return the images of every class folder, sorted by path.

    Raises:
        DatasetError: a class is unknown, a class folder is empty, a file may be an image of another kind.
    """
    root = image_root(data)
    loose = sorted(entry for entry in root.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())
    if loose:
        raise DatasetError(
            f"{root}: {counted(len(loose), 'image lies', 'images lie')} beside the class folders, in none "
            f"of them\n{_named(loose)}"
        )
    classes = map_of_folders(root, _folders(root), request.num_classes, request.classes, request.stated)
    samples: list[Sample] = []
    empty, others, beside = [], [], []
    for name, label in classes.indices.items():
        entries = {entry.name: entry for entry in (root / name).iterdir() if not entry.name.startswith(".")}
        files = {file for file in entries if entries[file].is_file()}
        others += [entries[other] for other in sorted(entries.keys() - files - FOLDERS_OF_SYSTEMS)]
        images, texts = images_among(root / name, files)
        samples += [Sample(Image(entries[e], f"{name}/{e}"), label) for e in sorted(images)]
        beside += [f"{name}/{text}" for text in texts]
        if not images:
            empty.append(root / name)
    if others:
        raise DatasetError(
            f"{root}: {counted(len(others), 'entry is', 'entries are')} none of the {IMAGES}: folders or "
            "special "
            f"files\n{_named(others)}"
        )
    if empty and not request.allow_subset:
        raise DatasetError(
            f"{root}: {counted(len(empty), 'class folder holds', 'class folders hold')} no "
            f"image\n{_named(empty)}"
        )
    notes = (*classes.notes, *passed_over(beside))
    return ImageDataset(root, tuple(samples), classes.class_names, NAME, notes)


def _folders(root: Path) -> list[str]:
    return [
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in FOLDERS_OF_SYSTEMS
    ]


def _named(entries: list[Path]) -> str:
    return listed(printable(str(entry)) for entry in entries)
