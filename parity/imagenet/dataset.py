"""A folder of labelled images: `<class>/*.JPEG`, or the same under `val/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reference_models.errors import TriportError, listed

from .classes import BACKGROUND, NUM_CLASSES, class_names, is_wnid, wnid_indices

SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})


class DatasetError(TriportError):
    """The folder is no data set that the model can be scored on."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file and the index of its class among the model's outputs."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class ImageDataset:
    """Labelled image files, sorted by path; `class_names` has one name for each output."""

    root: Path
    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]

    def limited(self, limit: int | None) -> ImageDataset:
        """Return a stratified sample of at most `limit` images, the same at every call.

        Each class gives its first images, one from every class in turn, so that no class has two
        more than another that still has images.

        Raises:
            DatasetError: the limit is not positive.
        """
        if limit is None or limit >= len(self.samples):
            return self
        if limit < 1:
            raise DatasetError(f"the limit must be at least 1 image, found {limit}")
        rank: dict[int, int] = {}
        turns = []
        for position, sample in enumerate(self.samples):
            turn = rank.get(sample.label, 0)
            rank[sample.label] = turn + 1
            turns.append((turn, sample.label, position))
        chosen = sorted(position for _, _, position in sorted(turns)[:limit])
        return ImageDataset(self.root, tuple(self.samples[p] for p in chosen), self.class_names)


def open_dataset(folder: Path, num_classes: int) -> ImageDataset:
    """Return the images of `folder`, or of `folder`/val, with their classes.

    Folders named by WordNet ids are ILSVRC-2012's classes, however few of them are there; a head
    of 1001 outputs has the background first. Folders with any other names must be exactly the
    model's classes, in sorted order.

    Raises:
        DatasetError: it is no such folder, a class is unknown, or the classes are not the model's.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder")
    root = folder / "val" if (folder / "val").is_dir() else folder
    folders = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not folders:
        raise DatasetError(f"{root}: expected one folder per class (val/<class>/*.JPEG), found none")
    if any(is_wnid(name) for name in folders):
        labels, names = _ilsvrc_labels(root, folders, num_classes)
    else:
        labels, names = _own_labels(root, folders, num_classes)
    return ImageDataset(root, _samples(root, labels), names)


def _ilsvrc_labels(
    root: Path, folders: list[str], num_classes: int
) -> tuple[dict[str, int], tuple[str, ...]]:
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        raise DatasetError(
            f"{root}: its folders are ImageNet's WordNet ids; the model has {num_classes} outputs, "
            f"expected {NUM_CLASSES} (or {NUM_CLASSES + 1} with a background class)"
        )
    unknown = [name for name in folders if name not in wnid_indices()]
    if unknown:
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders are no class of ILSVRC-2012\n{listed(unknown)}"
        )
    background = (BACKGROUND,) if num_classes > NUM_CLASSES else ()
    labels = {name: wnid_indices()[name] + len(background) for name in folders}
    return labels, (*background, *class_names())


def _own_labels(root: Path, folders: list[str], num_classes: int) -> tuple[dict[str, int], tuple[str, ...]]:
    if len(folders) != num_classes:
        raise DatasetError(
            f"{root}: the model has {num_classes} outputs, found {len(folders)} folders that are not named "
            f"by WordNet ids: each output needs its folder\n{listed(folders)}"
        )
    if all(name.isdecimal() for name in folders) and folders != sorted(folders, key=int):
        raise DatasetError(
            f"{root}: the folders' numbers sort differently as text ({', '.join(folders[:3])}, ...): "
            "give them leading zeros, so that there is one order"
        )
    return {name: index for index, name in enumerate(folders)}, tuple(folders)


def _samples(root: Path, labels: dict[str, int]) -> tuple[Sample, ...]:
    samples, strangers, empty = [], [], []
    for name, label in labels.items():
        files = sorted(path for path in (root / name).iterdir() if not path.name.startswith("."))
        images = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
        strangers += [path for path in files if path not in set(images)]
        samples += [Sample(path, label) for path in images]
        if not images:
            empty.append(root / name)
    if strangers:
        raise DatasetError(
            f"{root}: {len(strangers)} entries are no images (.JPEG, .jpg, .png)\n{listed(strangers)}"
        )
    if empty:
        raise DatasetError(f"{root}: {len(empty)} class folders hold no image\n{listed(empty)}")
    return tuple(samples)
