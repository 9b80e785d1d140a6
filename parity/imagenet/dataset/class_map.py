"""From a class's name to its index among the model's outputs: by WordNet id, never by order found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from parity.imagenet.classes import BACKGROUND, NUM_CLASSES, class_names, is_wnid, wnid_indices
from reference_models.errors import listed

from .samples import DatasetError


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The index of each class's name, and what each output is called."""

    indices: dict[str, int]
    class_names: tuple[str, ...]


def map_of_folders(root: Path, folders: Iterable[str], num_classes: int) -> ClassMap:
    """Return the classes that folders' names mean.

    WordNet ids are ILSVRC-2012's classes, however few of them are there. Any other names must be
    exactly the model's classes, in sorted order.

    Raises:
        DatasetError: a class is unknown, or the classes are not the model's.
    """
    folders = sorted(folders)
    if any(is_wnid(name) for name in folders):
        return _ilsvrc_map(root, folders, num_classes)
    return _own_map(root, folders, num_classes)


def ilsvrc_map(root: Path, num_classes: int) -> ClassMap:
    """Return all of ILSVRC-2012's classes; a head of 1001 outputs has the background first.

    Raises:
        DatasetError: the model has another number of outputs.
    """
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        raise DatasetError(
            f"{root}: its classes are ImageNet's WordNet ids; the model has {num_classes} outputs, "
            f"expected {NUM_CLASSES} (or {NUM_CLASSES + 1} with a background class)"
        )
    background = (BACKGROUND,) if num_classes > NUM_CLASSES else ()
    indices = {wnid: index + len(background) for wnid, index in wnid_indices().items()}
    return ClassMap(indices, (*background, *class_names()))


def _ilsvrc_map(root: Path, folders: list[str], num_classes: int) -> ClassMap:
    everything = ilsvrc_map(root, num_classes)
    unknown = [name for name in folders if name not in everything.indices]
    if unknown:
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders are no class of ILSVRC-2012\n{listed(unknown)}"
        )
    return ClassMap({name: everything.indices[name] for name in folders}, everything.class_names)


def _own_map(root: Path, folders: list[str], num_classes: int) -> ClassMap:
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
    return ClassMap({name: index for index, name in enumerate(folders)}, tuple(folders))
