"""Parquet files as the hub's copies of ImageNet have them: a column of images and one of labels.

Data are one file, a folder of them, or a copy of the hub's repository with its folder `data`. An image is its
file's bytes, alone or in a field `bytes` beside its `path`; a label is an index from 0 or a WordNet id. The
names of the classes, where the file states them, must be the model's in the same order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from triport.parity.imagenet.classes import NUM_CLASSES, is_wnid
from triport.parity.imagenet.dataset.class_map import ilsvrc_map
from triport.parity.imagenet.dataset.parquet_file import LARGEST_GROUP, PARQUET_ERRORS, bytes_of_row, opened
from triport.parity.imagenet.dataset.samples import DatasetError, Image, ImageDataset, Sample, printable
from triport.parity.imagenet.dataset.splits import image_root, one_split, words_of_file
from triport.reference_models.errors import counted, listed

from . import LayoutRequest, refuse_classes

NAME = "Parquet files"
_IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp")
_LABEL_COLUMNS = ("label", "labels", "cls", "class", "target", "wnid")
_NUMBERED = re.compile(r"(.*)-(\d{1,6})-of-(\d{1,6})")
# of the names that a file states, how many may be worded otherwise than the model's
_OTHERWISE = 0.1
_NUMBERS = "labels are taken for the places of the model's outputs, from 0"


@dataclass(frozen=True, slots=True)
class ParquetImage(Image):
    """The bytes of an image in a Parquet file: row `row` of a row group, in the column `column`."""

    group: int = 0
    row: int = 0
    column: str = "image"

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.name}")

    def read(self) -> bytes:
        """Return the image file's bytes.

        Raises:
            OSError: they cannot be read.
        """
        return bytes_of_row(self.path, self.group, self.row, self.column)


def fits(data: Path) -> bool:
    """Whether `data` is a Parquet file or has some."""
    return bool(_files_in(data))


def read(data: Path, request: LayoutRequest) -> ImageDataset:
    """Return the images of all files, in the files' order.

    Raises:
        DatasetError: a file is missing or damaged, or a label is none of the model's classes.
    """
    refuse_classes(request, NAME)
    files, left_out = one_split(data, _files_in(data), words_of_file)
    missing = _missing(files)
    if missing and not request.allow_subset:
        raise DatasetError(
            f"{data}: {counted(len(missing), 'file is', 'files are')} missing\n{listed(missing)}\n"
            "Use --allow-subset for a data set that is meant to be partial"
        )
    indices, names, note = _classes(data, files, request)
    samples: list[Sample] = []
    wrong = []
    for file in files:
        for image, label in _rows_of(file):
            index = indices.get(str(label), -1)
            if index < 0:
                wrong.append(f"{image}: {printable(str(label))}")
            else:
                samples.append(Sample(image, index))
    if wrong:
        raise DatasetError(
            f"{data}: {counted(len(wrong), 'image has', 'images have')} a label that is none of the model's "
            f"{counted(len(names), 'class', 'classes')}, counted from 0 (the hub's test images have "
            f"-1)\n{listed(wrong)}"
        )
    return ImageDataset(data, tuple(samples), names, NAME, tuple(filter(None, (left_out, note))))


def _files_in(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.suffix == ".parquet" else []
    if not data.is_dir():
        return []
    for place in (data, data / "data"):
        found = sorted(place.glob("*.parquet")) if place.is_dir() else []
        if found:
            return found
    return sorted(image_root(data).glob("*.parquet"))


def _missing(files: list[Path]) -> list[str]:
    """Return the files that others' names (`-00003-of-00014`) say there are."""
    numbered = [match for file in files if (match := _NUMBERED.fullmatch(file.stem))]
    there = {match[0] for match in numbered}
    series = {(match[1], len(match[2]), match[3]) for match in numbered}
    return [
        f"{name}.parquet"
        for prefix, digits, count in sorted(series)
        for number in range(int(count))
        if (name := f"{prefix}-{number:0{digits}d}-of-{count}") not in there
    ]


def _classes(
    data: Path, files: list[Path], request: LayoutRequest
) -> tuple[dict[str, int], tuple[str, ...], str | None]:
    """Return label as written -> index of the output, the outputs' names, and what is taken for granted."""
    num_classes = request.num_classes
    stated = _names_of_all(data, files)
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        if stated is not None and len(stated) != num_classes:
            raise DatasetError(
                f"{data}: has {counted(len(stated), 'class', 'classes')}, and the model has {num_classes} "
                "outputs"
            )
        return _own_classes(data, stated, request)
    classes = ilsvrc_map(data, num_classes)
    order = list(classes.indices)
    indices = classes.indices | {str(number): classes.indices[wnid] for number, wnid in enumerate(order)}
    if stated is None:
        return indices, classes.class_names, _NUMBERS
    if all(is_wnid(name) and name in classes.indices for name in stated):
        by_place = {str(place): classes.indices[wnid] for place, wnid in enumerate(stated)}
        return classes.indices | by_place, classes.class_names, None
    own = classes.class_names[-NUM_CLASSES:]
    otherwise = [
        f"{place}: {printable(theirs)}, the model's: {ours}"
        for place, (theirs, ours) in enumerate(zip(stated, own, strict=False))
        if _word(theirs) != _word(ours)
    ]
    if len(stated) != NUM_CLASSES or len(otherwise) > _OTHERWISE * NUM_CLASSES:
        raise DatasetError(
            f"{data}: states {counted(len(stated), 'class', 'classes')}, of which {len(otherwise)} are not "
            f"the model's of the same number: another selection or order\n{listed(otherwise)}"
        )
    return indices, classes.class_names, None


def _own_classes(
    data: Path, stated: tuple[str, ...] | None, request: LayoutRequest
) -> tuple[dict[str, int], tuple[str, ...], str | None]:
    """Return the same for a network that has not ImageNet's classes."""
    numbers = tuple(str(index) for index in range(request.num_classes))
    plain = {number: index for index, number in enumerate(numbers)}
    if stated is None:
        return plain, request.stated or numbers, _NUMBERS
    outputs = request.stated or (numbers if set(stated) == set(numbers) else ())
    if not outputs:
        return plain, stated, _NUMBERS
    places = {_word(name): index for index, name in enumerate(outputs)}
    unknown = [name for name in stated if _word(name) not in places]
    if unknown or len(places) != len(outputs):
        raise DatasetError(
            f"{data}: calls its classes otherwise than the network's config.json calls its outputs, so that "
            f"which is which cannot be known\n{listed(printable(name) for name in unknown or stated)}"
        )
    note = (
        None if request.stated else "classes that are called by numbers are taken for those outputs, from 0"
    )
    return {str(label): places[_word(name)] for label, name in enumerate(stated)}, outputs, note


def _names_of_all(data: Path, files: list[Path]) -> tuple[str, ...] | None:
    """Return the names of the classes that the files state, None where none does.

    Raises:
        DatasetError: a label is another class in one file than in another.
    """
    found = {file.name: names for file in files if (names := _stated_names(file)) is not None}
    if not found:
        return None
    (first, names), *others = found.items()
    for name, theirs in others:
        if theirs != names:
            raise DatasetError(
                f"{data}: {first} and {name} state other classes, or in another order: one label is two "
                f"classes"
            )
    return names


def _word(name: str) -> str:
    return name.split(",")[0].strip().lower().replace("_", " ")


def _stated_names(file: Path) -> tuple[str, ...] | None:
    """Return the names of the classes that the hub's metadata of a file states, None without."""
    metadata = opened(file).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        names = next(features[column]["names"] for column in _LABEL_COLUMNS if column in features)
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _rows_of(file: Path) -> list[tuple[ParquetImage, Any]]:
    """Return the images of a file with their labels, without reading the images."""
    parquet = opened(file)
    columns = parquet.schema_arrow.names
    image = next((name for name in _IMAGE_COLUMNS if name in columns), None)
    label = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if image is None or label is None:
        raise DatasetError(
            f"{file}: expected a column of images ({', '.join(_IMAGE_COLUMNS)}) and one of labels "
            f"({', '.join(_LABEL_COLUMNS)}), found {', '.join(map(printable, columns[:10])) or 'none'}"
        )
    fields = {parquet.schema.column(at).path for at in range(len(parquet.schema))}
    column = f"{image}.bytes" if f"{image}.bytes" in fields else image
    path = f"{image}.path" if f"{image}.path" in fields else None
    if column not in fields:
        raise DatasetError(f"{file}: its column {image} holds no bytes of images")
    rows: list[tuple[ParquetImage, Any]] = []
    try:
        for group in range(parquet.metadata.num_row_groups):
            _check_size(file, parquet, group, column)
            table = parquet.read_row_group(group, [label, path] if path else [label], use_threads=False)
            labels = table.column(label).to_pylist()
            paths = [row["path"] for row in table.column(image).to_pylist()] if path else [None] * len(labels)
            for row, (stated, name) in enumerate(zip(labels, paths, strict=True)):
                own = f"{file.name}/{len(rows):07d}" + (f"/{PurePosixPath(name).name}" if name else "")
                rows.append((ParquetImage(file, own, 0, None, group, row, column), stated))
    except PARQUET_ERRORS as error:
        raise DatasetError(f"{file}: its rows cannot be read ({error})") from error
    return rows


def _check_size(file: Path, parquet: Any, group: int, column: str) -> None:
    found = parquet.metadata.row_group(group)
    sizes = [found.column(at) for at in range(found.num_columns)]
    size = sum(part.total_uncompressed_size for part in sizes if part.path_in_schema == column)
    if size > LARGEST_GROUP:
        raise DatasetError(
            f"{file}: row group {group} has {size:,} bytes of images, which are read at once: expected "
            f"{LARGEST_GROUP:,} at most. Write the file again with row groups of a few hundred images"
        )
