"""Labelled images, in whichever layout they come; the classes go by WordNet id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triport.reference_models.errors import counted, listed

from .known_sets import is_corruptions_root, with_known_name
from .labels import check_labels
from .layouts import LayoutRequest, all_layouts
from .samples import VALIDATION_SIZE, DatasetError, Image, ImageDataset, Sample, printable

__all__ = ["DatasetError", "Image", "ImageDataset", "Sample", "open_dataset", "printable"]


def open_dataset(
    data: Path,
    num_classes: int,
    *,
    labels: Path | None = None,
    classes: Path | None = None,
    allow_subset: bool = False,
    stated: Sequence[str] = (),
) -> ImageDataset:
    """Return the images of `data` with their classes; the layout is found from its content.

    Args:
        data: a folder, a tar file, or shards' names with a range.
        num_classes: the model's outputs; ILSVRC-2012's 1,000, or 1,001 with the background first.
        labels: the classes of ILSVRC-2012's validation images, as the devkit or a list gives them.
        classes: a list of class folders' names in the order of the model's outputs.
        stated: what the network's own config.json calls its outputs, in order.
        allow_subset: do not ask that validation images be all 50,000, nor that shards follow on.

    Raises:
        DatasetError: there are no such images, a class is unknown, or the data are short.
    """
    try:
        asked = LayoutRequest(num_classes, labels, allow_subset, classes, tuple(stated))
        dataset = _layout_of(data).read(data, asked)
        if not dataset.samples:
            raise DatasetError(f"{dataset.root}: holds no image")
        dataset = with_known_name(dataset)
        _check_complete(dataset, allow_subset)
        check_labels(dataset, labels)
    except OSError as error:  # a folder or file that may not be read, a name that is too long ...
        raise DatasetError(f"{error.filename or data}: cannot be read ({error.strerror or error})") from error
    return dataset


def _layout_of(data: Path) -> Any:
    layout = next((layout for layout in all_layouts() if layout.fits(data)), None)
    if layout is None:
        if not data.exists():
            raise DatasetError(f"{data}: no such folder, and no tar file of that name")
        if data.is_file():
            raise DatasetError(f"{data}: no such folder, and the file is no tar file of images")
        raise DatasetError(
            f"{data}: expected one folder per class (val/<class>/*.JPEG), ILSVRC2012_val_*.JPEG, "
            "WebDataset shards or Parquet files, found none"
        )
    if data.is_dir() and is_corruptions_root(data):
        raise DatasetError(
            f"{data}: has the corruptions or severities of ImageNet-C: give one severity of one of them with "
            "--data (gaussian_noise/3)"
        )
    return layout


def _check_complete(dataset: ImageDataset, allow_subset: bool) -> None:
    """Raise DatasetError unless images that are named as the validation set's are all of it, once."""
    found: dict[int, Sample] = {}
    strangers = []
    for sample in dataset.samples:
        number = sample.image.validation_number
        if number is None or not 1 <= number <= VALIDATION_SIZE:
            strangers.append(sample)
        elif number in found:
            raise DatasetError(f"{sample} is there twice, also as {found[number]}")
        else:
            found[number] = sample
    training = [sample for sample in strangers if sample.image.is_training_image]
    if found and training:
        raise DatasetError(
            f"{dataset.root}: {counted(len(training), 'image is', 'images are')} named as ILSVRC-2012's "
            f"training images, beside {len(found)} of its validation set\n{listed(training)}\nGive the "
            "validation images alone"
        )
    if not found or allow_subset:
        return
    if strangers:
        raise DatasetError(
            f"{dataset.root}: {counted(len(strangers), 'image is', 'images are')} not of ILSVRC-2012's "
            f"validation set, as the others are\n{listed(strangers)}\nUse --allow-subset where that is meant"
        )
    missing = [n for n in range(1, VALIDATION_SIZE + 1) if n not in found]
    if missing:
        raise DatasetError(
            f"{dataset.root}: {len(found)} of the validation set's {VALIDATION_SIZE} images: it is short of\n"
            + listed(f"ILSVRC2012_val_{n:08d}.JPEG" for n in missing)
            + "\nUse --allow-subset for a data set that is meant to be partial (--limit N draws a sample)"
        )
