"""WebDataset shards: tar files in which `key.jpg` lies beside `key.cls` or `key.json`.

Data are one shard, a folder of shards, or their names with a range: `val-{000000..000006}.tar`. A class
is an index from 0 in the order of the sorted WordNet ids, or a WordNet id; where a sample has
both, they must agree.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from parity.imagenet.classes import NUM_CLASSES, is_wnid
from parity.imagenet.dataset.class_map import ilsvrc_map
from parity.imagenet.dataset.samples import SUFFIXES, DatasetError, Image, ImageDataset, Sample
from parity.imagenet.dataset.tar_index import files_of, is_tar, peeked_names
from reference_models.errors import listed

from . import Request, image_root

NAME = "WebDataset shards"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_LABELS = frozenset({".cls", ".json"})
_JSON_KEYS = ("label", "cls", "class_index")
_NUMBER = re.compile(r"\d+(?=\D*$)")


def fits(data: Path) -> bool:
    """Whether `data` is a shard, a folder of them, or a range of names."""
    if _RANGE.search(data.name):
        return True
    if data.is_dir():
        shards = _shards_in(data)
        return bool(shards) and is_shard(shards[0])
    return is_tar(data) and is_shard(data)


def is_shard(path: Path) -> bool:
    """Whether a tar file has labels beside its images."""
    return any(PurePosixPath(name).suffix in _LABELS for name in peeked_names(path))


def read(data: Path, request: Request) -> ImageDataset:
    """Return the images of all shards, in the shards' order.

    Raises:
        DatasetError: a shard is missing or damaged, or an image has no label, or an impossible one.
    """
    images = [
        labelled for shard in _shards_of(data, request.allow_subset) for labelled in _images_of(shard).items()
    ]
    indices, names = _classes(data, request.num_classes)
    samples, wrong = [], []
    for image, labels in images:
        found = {indices.get(label, -1) for label in labels}
        if len(found) == 1 and -1 not in found:
            samples.append(Sample(image, found.pop()))
        else:
            wrong.append(f"{image}: {' and '.join(labels) or 'no label'}")
    if wrong:
        raise DatasetError(
            f"{data}: {len(wrong)} of {len(images)} images have no label, two that disagree, or none of the "
            f"model's {len(names)} classes, counted from 0: are they shifted by one?\n{listed(wrong)}"
        )
    return ImageDataset(data, tuple(samples), names, NAME)


def _classes(data: Path, num_classes: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return label as written -> index of the output, and the outputs' names."""
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        names = tuple(str(index) for index in range(num_classes))
        return {name: index for index, name in enumerate(names)}, names
    classes = ilsvrc_map(data, num_classes)
    by_number = {str(number): index for number, index in enumerate(classes.indices.values())}
    return classes.indices | by_number, classes.class_names


def _images_of(shard: Path) -> dict[Image, list[str]]:
    """Return the images of a shard, each with what is written of its class."""
    images: dict[str, Image] = {}
    labels: dict[str, list[str]] = {}
    for file in files_of(shard):
        folder, _, name = file.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        key = f"{folder}/{stem}"
        if f".{suffix.lower()}" in SUFFIXES:
            if key in images:
                raise DatasetError(f"{shard}: {key} has two images: {images[key].name}, {file.name}")
            images[key] = replace(file, name=f"{shard.name}/{file.name}")
        elif f".{suffix}" in _LABELS and (label := _label_in(file)) is not None:
            labels.setdefault(key, []).append(label)
    if not images:
        raise DatasetError(f"{shard}: expected images (.jpg, .jpeg, .png) beside labels, found none")
    return {image: sorted(set(labels.get(key, []))) for key, image in images.items()}


def _label_in(file: Image) -> str | None:
    """Return the label that a .cls or .json file holds, None where it speaks of something else."""
    try:
        text = file.read().decode().strip()
        if file.name.endswith(".cls"):
            return str(int(text)) if text.isdecimal() else text
        values: Any = json.loads(text)
    except (OSError, EOFError, ValueError) as error:
        raise DatasetError(f"{file}: cannot be read as a label ({error})") from error
    if not isinstance(values, dict):
        return None
    # a WordNet id says more than a number whose counting nobody states
    wnids = [value for value in values.values() if isinstance(value, str) and is_wnid(value)]
    numbers = [values[key] for key in _JSON_KEYS if isinstance(values.get(key), int)]
    return next((str(label) for label in (*wnids, *numbers)), None)


def _shards_of(data: Path, allow_subset: bool) -> list[Path]:
    found = _RANGE.search(data.name)
    if found is not None:
        first, last = int(found[1]), int(found[2])
        names = [
            f"{data.name[: found.start()]}{number:0{len(found[1])}d}{data.name[found.end() :]}"
            for number in range(first, last + 1)
        ]
        shards = [data.with_name(name) for name in names]
        missing = [str(shard) for shard in shards if not shard.is_file()]
    elif data.is_dir():
        shards = _shards_in(data)
        missing = _gaps(shards)
    else:
        return [data]
    if missing and not allow_subset:
        raise DatasetError(
            f"{data}: {len(missing)} shards are missing\n{listed(missing)}\n"
            "Use --allow-subset for a data set that is meant to be partial"
        )
    return [shard for shard in shards if shard.is_file()]


def _shards_in(folder: Path) -> list[Path]:
    root = image_root(folder)
    return sorted(path for path in root.iterdir() if path.suffix == ".tar" and path.is_file())


def _gaps(shards: list[Path]) -> list[str]:
    """Return the numbers from 0 on that the shards' names leave out."""
    found = [_NUMBER.search(shard.stem) for shard in shards]
    numbers = {int(match[0]) for match in found if match is not None}
    return [f"number {number}" for number in range(max(numbers, default=-1)) if number not in numbers]
