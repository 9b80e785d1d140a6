"""WebDataset shards: tar files in which `key.jpg` lies beside `key.cls` or `key.json`.

Data are one shard, a folder of shards, or their names with a range: `val-{000000..000006}.tar`. A class
is an index from 0 in the order of the sorted WordNet ids, or a WordNet id; all that a sample states of its
class must agree.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from triport.parity.imagenet.classes import NUM_CLASSES, is_wnid
from triport.parity.imagenet.dataset.class_map import ilsvrc_map
from triport.parity.imagenet.dataset.samples import (
    SUFFIXES,
    DatasetError,
    Image,
    ImageDataset,
    Sample,
    passed_over,
    printable,
)
from triport.parity.imagenet.dataset.shard_counts import check_counts
from triport.parity.imagenet.dataset.shard_samples import LABEL_SUFFIXES, samples_of
from triport.parity.imagenet.dataset.splits import image_root, one_split, words_of_file, words_of_folders
from triport.parity.imagenet.dataset.tar_index import files_of, is_tar, peeked_names
from triport.reference_models.errors import counted, listed

from . import LayoutRequest, refuse_classes

NAME = "WebDataset shards"
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST_SHARDS = 100_000
_NUMBERS_ONLY = "labels are numbers only: taken for the places of the model's outputs, from 0"
_NUMBER = re.compile(r"\d{1,9}(?=\D*$)")


def fits(data: Path) -> bool:
    """Whether `data` is a shard, a folder of them, or a range of names."""
    if _RANGE.search(data.name):
        return True
    if data.is_dir():
        shards = _shards_in(data)
        return bool(shards) and is_shard(shards[0])
    return is_tar(data) and is_shard(data)


def is_shard(path: Path) -> bool:
    """Whether a tar file has labels of its images' names beside them."""
    names = peeked_names(path)
    stems = {name.rpartition(".")[0] for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES}
    labels = [PurePosixPath(name) for name in names if PurePosixPath(name).suffix.lower() in LABEL_SUFFIXES]
    return any(str(name.with_suffix("")) in stems or name.suffix == ".cls" for name in labels)


def read(data: Path, request: LayoutRequest) -> ImageDataset:
    """Return the images of all shards, in the shards' order.

    Raises:
        DatasetError: a shard is missing or damaged, an image has no possible label, a label no image.
    """
    refuse_classes(request, NAME)
    shards, left_out = _shards_of(data, request.allow_subset)
    images, notes, beside = [], [left_out], []
    counts: dict[str, int] = {}
    for shard in shards:
        found, others, note = _images_of(shard)
        counts[shard.name] = len(found)
        images += found
        beside += others
        notes += [f"{shard.name}: {note}" if note else ""]
    if not request.allow_subset:
        check_counts(shards[0].parent, counts)
    indices, names = _classes(data, request.num_classes)
    samples, wrong = [], []
    for image, labels in images:
        stated = {indices.get(label, -1) for label in labels}
        if len(stated) == 1 and -1 not in stated:
            samples.append(Sample(image, stated.pop()))
        else:
            wrong.append(f"{image}: {' and '.join(map(printable, labels)) or 'no label'}")
    if wrong:
        raise DatasetError(
            f"{data}: {len(wrong)} of {len(images)} images have no label, two that disagree, or one that is "
            f"none of the model's {counted(len(names), 'class', 'classes')}, counted from 0: are they "
            f"shifted by one, or is it a test set, whose labels are -1?\n{listed(wrong)}"
        )
    if not any(is_wnid(label) for _, labels in images for label in labels):
        notes.append(_NUMBERS_ONLY)
    said = (*filter(None, notes), *passed_over(beside))
    return ImageDataset(data, tuple(samples), names, NAME, said)


def _classes(data: Path, num_classes: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return label as written -> index of the output, and the outputs' names."""
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        names = tuple(str(index) for index in range(num_classes))
        return {name: index for index, name in enumerate(names)}, names
    classes = ilsvrc_map(data, num_classes)
    by_number = {str(number): index for number, index in enumerate(classes.indices.values())}
    return classes.indices | by_number, classes.class_names


def _images_of(shard: Path) -> tuple[list[tuple[Image, list[str]]], list[str], str]:
    """Return a shard's images with what is written of their classes, the files passed over, and a note."""
    files = {file.name: file for file in files_of(shard)}
    visible = [name for name in files if not PurePosixPath(name).name.startswith(".")]
    names, left_out = one_split(shard, visible, words_of_folders)
    found, beside = samples_of(shard, [files[name] for name in names])
    if not found:
        raise DatasetError(
            f"{shard}: expected images ({', '.join(sorted(SUFFIXES))}) beside labels, found none"
        )
    return (
        [(replace(image, name=f"{shard.name}/{image.name}"), labels) for image, labels in found],
        [f"{shard.name}/{name}" for name in beside],
        left_out,
    )


def _shards_of(data: Path, allow_subset: bool) -> tuple[list[Path], str]:
    """Return the shards, and a note on those of other parts of the data set."""
    found = _RANGE.search(data.name)
    left_out = ""
    if found is not None:
        first, last = int(found[1]), int(found[2])
        if last - first >= _MOST_SHARDS:
            raise DatasetError(
                f"{data}: a range of {last - first + 1} shards: expected {_MOST_SHARDS} at most"
            )
        names = [
            f"{data.name[: found.start()]}{number:0{len(found[1])}d}{data.name[found.end() :]}"
            for number in range(first, last + 1)
        ]
        shards = [data.with_name(name) for name in names]
        missing = [str(shard) for shard in shards if not shard.is_file()]
    elif data.is_dir():
        shards, left_out = one_split(data, _shards_in(data), words_of_file)
        missing = _gaps(shards)
    else:
        return [data], ""
    if missing and not allow_subset:
        raise DatasetError(
            f"{data}: {counted(len(missing), 'shard is', 'shards are')} missing\n{listed(missing)}\n"
            "Use --allow-subset for a data set that is meant to be partial"
        )
    present = [shard for shard in shards if shard.is_file()]
    if not present:
        raise DatasetError(f"{data}: none of its shards is there")
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        gone = f"{len(missing)} of {len(present) + len(missing)} shards are missing: {missing[0]}{more}"
        left_out = "; ".join(filter(None, [left_out, gone]))
    return present, left_out


def _shards_in(folder: Path) -> list[Path]:
    root = image_root(folder)
    return sorted(path for path in root.iterdir() if path.suffix == ".tar" and path.is_file())


def _gaps(shards: list[Path]) -> list[str]:
    """Return the numbers from 0 on that the shards' names leave out."""
    found = [_NUMBER.search(shard.stem) for shard in shards]
    numbers = {int(match[0]) for match in found if match is not None}
    last = min(max(numbers, default=-1), _MOST_SHARDS)
    return [f"number {number}" for number in range(last) if number not in numbers]
