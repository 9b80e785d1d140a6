"""Data sets that have ImageNet's classes and are not its validation set, known by their folders and names.

A figure that was measured on ILSVRC-2012's validation set says nothing of them. Sources: the data sets' own
pages (hendrycks/robustness, hendrycks/natural-adv-examples, hendrycks/imagenet-r, HaohanWang/ImageNet-Sketch,
modestyachts/ImageNetV2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from .samples import ImageDataset, Sample
from .splits import OTHERS

_CORRUPTIONS = frozenset(
    {
        *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "defocus_blur"),
        *(
            "glass_blur",
            "motion_blur",
            "zoom_blur",
            "snow",
            "frost",
            "fog",
            "brightness",
            "contrast",
            "saturate",
        ),
        *("elastic_transform", "pixelate", "jpeg_compression", "spatter"),
    }
)
_SEVERITIES = frozenset("12345")
_SUBSET_CLASSES = 200
# of most of the images: a few may have been added or renamed
_FILE_NAMES = {
    "ImageNet-Sketch": re.compile(r"sketch_\d+\.\w+"),
    "ImageNet-R": re.compile(
        r"(art|cartoon|deviantart|embroidery|graffiti|graphic|misc|origami|painting|sculpture|sketch|sticker|"
        r"tattoo|toy|videogame)_\d+\.\w+"
    ),
    "ImageNet-A": re.compile(r"\d+\.\d+_.+_\d+\.\d+\.\w+"),
    "ImageNet-V2": re.compile(r"[0-9a-f]{40}\.\w+"),
}
# as a whole word of a folder's name: imagenet-r, ImageNet_R.tar, data-imagenet-r-2021
_FOLDER_NAMES = {
    known: re.compile(rf"(?:^|[^a-z0-9])imagenet[-_ ]?{letter}(?:$|[^a-z0-9])", re.IGNORECASE)
    for known, letter in {
        "ImageNet-C": "c(?:bar)?",
        "ImageNet-V2": "v2",
        "ImageNet-A": "a",
        "ImageNet-R": "r(?:endition)?",
        "ImageNet-Sketch": "sketch",
        "ImageNet-O": "o",
        "ImageNet-P": "p",
    }.items()
}
_CORRUPTION = re.compile(rf"({'|'.join(sorted(_CORRUPTIONS))})[-_]([1-5])")


def with_known_name(dataset: ImageDataset) -> ImageDataset:
    """Return the data set with what it is known as, if it is not ILSVRC-2012's validation set."""
    known = _known_name(dataset.root, dataset.samples)
    if known is None:
        return dataset
    classes = len({sample.label for sample in dataset.samples})
    note = f"the images are {known}'s"
    if classes <= _SUBSET_CLASSES and known in ("ImageNet-A", "ImageNet-R"):
        note += (
            f", of {classes} classes; its published figures choose among its 200 classes, these among all "
            f"{len(dataset.class_names)}"
        )
    return replace(dataset, known_as=known, notes=(*dataset.notes, note))


def corruption_in(folders: Sequence[str]) -> str | None:
    """Return the corruption and severity of ImageNet-C that a path's folders say, None where they do not."""
    for name, severity in pairwise(folders):
        if name.lower() in _CORRUPTIONS and severity in _SEVERITIES:
            return f"{name} {severity}"
    found = next((match for name in folders if (match := _CORRUPTION.fullmatch(name.lower()))), None)
    return f"{found[1]} {found[2]}" if found else None


def is_corruptions_root(data: Path) -> bool:
    """Whether a folder holds ImageNet-C's corruptions, each with its severities, or the severities of one."""
    folders = [entry for entry in data.iterdir() if entry.is_dir()]
    if data.resolve().name.lower() in _CORRUPTIONS:
        return bool(folders) and {folder.name for folder in folders} <= _SEVERITIES
    named = [folder for folder in folders if folder.name.lower() in _CORRUPTIONS]
    return bool(named) and len(named) == len(folders) and (named[0] / "1").is_dir()


def _known_name(root: Path, samples: Sequence[Sample]) -> str | None:
    outside = root.resolve().parts
    names = [PurePosixPath(sample.name) for sample in samples]
    corruption = corruption_in(outside) or (corruption_in(names[0].parts[:-1]) if names else None)
    if corruption is not None:
        return f"ImageNet-C ({corruption})"
    for known, pattern in _FILE_NAMES.items():
        if names and 2 * sum(pattern.fullmatch(name.name) is not None for name in names) > len(names):
            return known
    if samples and all(sample.image.is_training_image for sample in samples):
        return "ILSVRC-2012's training set"
    part = _part_of_shards(names)
    if part is not None and not all(sample.image.validation_number for sample in samples):
        return "a training set" if part.startswith("train") else "a test set"
    inner = {part for name in names[:1] for part in name.parts[:-1]}
    for known, pattern in _FOLDER_NAMES.items():
        if any(pattern.search(part) for part in (*outside[-4:], *inner)):
            return known
    return None


def _part_of_shards(names: Sequence[PurePosixPath]) -> str | None:
    """Return which part all shards say that they are of, None where that may be the validation's."""
    shards = {name.parts[0].lower() for name in names if name.parts and name.parts[0].endswith(".tar")}
    words = [re.findall(r"[a-z]+", shard) for shard in shards]
    parts = {next((word for word in found if word in OTHERS), None) for found in words}
    return parts.pop() if len(parts) == 1 else None
