"""One folder per class: `val/<wnid>/*.JPEG`, or any other ImageFolder with its own classes."""

from __future__ import annotations

from pathlib import Path

from parity.imagenet.dataset.class_map import map_of_folders
from parity.imagenet.dataset.samples import SUFFIXES, DatasetError, Image, ImageDataset, Sample
from reference_models.errors import listed

from . import IMAGES, Request, image_root

NAME = "class folders"


def fits(data: Path) -> bool:
    """Whether `data`, or its val folder, has folders."""
    return data.is_dir() and bool(_folders(image_root(data)))


def read(data: Path, request: Request) -> ImageDataset:
    """Return the images of every class folder, sorted by path.

    Raises:
        DatasetError: a class is unknown, a class folder is empty, a file is no image.
    """
    root = image_root(data)
    classes = map_of_folders(root, _folders(root), request.num_classes)
    samples, strangers, empty = [], [], []
    for name, label in classes.indices.items():
        files = sorted(path for path in (root / name).iterdir() if not path.name.startswith("."))
        images = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
        strangers += sorted(set(files) - set(images))
        samples += [Sample(Image(path, f"{name}/{path.name}"), label) for path in images]
        if not images:
            empty.append(root / name)
    if strangers:
        raise DatasetError(f"{root}: {len(strangers)} entries are no {IMAGES}\n{listed(strangers)}")
    if empty and not request.allow_subset:
        raise DatasetError(f"{root}: {len(empty)} class folders hold no image\n{listed(empty)}")
    return ImageDataset(root, tuple(samples), classes.class_names, NAME)


def _folders(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
