"""A tar file of images, `ILSVRC2012_img_val.tar` as it was downloaded or one of class folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from triport.parity.imagenet.classes import is_wnid
from triport.parity.imagenet.dataset.class_map import map_of_folders
from triport.parity.imagenet.dataset.labels import labelled
from triport.parity.imagenet.dataset.samples import (
    IMAGES,
    DatasetError,
    ImageDataset,
    Sample,
    images_among,
    passed_over,
)
from triport.parity.imagenet.dataset.splits import check_one_root, one_split_of_names
from triport.parity.imagenet.dataset.tar_index import files_of, is_tar

from . import LayoutRequest, refuse_classes, webdataset

NAME = "tar file"


def fits(data: Path) -> bool:
    """Whether `data` is a tar file and no WebDataset shard."""
    return is_tar(data) and not webdataset.is_shard(data)


def read(data: Path, request: LayoutRequest) -> ImageDataset:
    """Return the images, sorted by name; classes are their folders, or come apart for a flat tar file.

    Raises:
        DatasetError: the tar file is damaged, an image has no class, a file may be an image of another kind.
    """
    files = {image.name: image for image in files_of(data)}
    visible = [name for name in files if not PurePosixPath(name).name.startswith(".")]
    images, beside = images_among(data, visible)
    names, left_out = one_split_of_names(data, sorted(images))
    if not names:
        raise DatasetError(f"{data}: expected {IMAGES}, found none")
    notes = (*((left_out,) if left_out else ()), *passed_over(beside))
    folders = [PurePosixPath(name).parent.name for name in names]
    if len(set(folders)) == 1 and not is_wnid(folders[0]):
        refuse_classes(request, NAME)
        found = labelled(data, [files[name] for name in names], request.labels, request.num_classes, NAME)
        return replace(found, notes=(*found.notes, *notes))
    check_one_root(data, names)
    classes = map_of_folders(data, set(folders), request.num_classes, request.classes, request.stated)
    samples = [
        Sample(files[name], classes.indices[folder]) for name, folder in zip(names, folders, strict=True)
    ]
    return ImageDataset(data, tuple(samples), classes.class_names, NAME, (*classes.notes, *notes))
