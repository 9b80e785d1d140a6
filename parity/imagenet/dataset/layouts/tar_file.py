"""A tar file of images, `ILSVRC2012_img_val.tar` as it was downloaded or one of class folders."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from parity.imagenet.classes import is_wnid
from parity.imagenet.dataset.class_map import map_of_folders
from parity.imagenet.dataset.labels import labelled
from parity.imagenet.dataset.samples import SUFFIXES, DatasetError, ImageDataset, Sample
from parity.imagenet.dataset.tar_index import files_of, is_tar
from reference_models.errors import listed

from . import IMAGES, Request, webdataset

NAME = "tar file"


def fits(data: Path) -> bool:
    """Whether `data` is a tar file and no WebDataset shard."""
    return is_tar(data) and not webdataset.is_shard(data)


def read(data: Path, request: Request) -> ImageDataset:
    """Return the images, sorted by name; classes are their folders, or come apart for a flat tar file.

    Raises:
        DatasetError: the tar file is damaged, an image has no class, or a file is no image.
    """
    files = sorted(files_of(data), key=lambda image: image.name)
    files = [image for image in files if not PurePosixPath(image.name).name.startswith(".")]
    strangers = [image.name for image in files if PurePosixPath(image.name).suffix.lower() not in SUFFIXES]
    if strangers or not files:
        raise DatasetError(f"{data}: {len(strangers)} entries are no {IMAGES}\n{listed(strangers)}")
    folders = [PurePosixPath(image.name).parent.name for image in files]
    if len(set(folders)) == 1 and not is_wnid(folders[0]):
        return labelled(data, files, request.labels, request.num_classes, NAME)
    classes = map_of_folders(data, set(folders), request.num_classes)
    samples = [Sample(image, classes.indices[folder]) for image, folder in zip(files, folders, strict=True)]
    return ImageDataset(data, tuple(samples), classes.class_names, NAME)
