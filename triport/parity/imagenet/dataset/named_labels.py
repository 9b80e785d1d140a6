"""Labels that are listed by image name: `name label` a line, in any of the forms that people have.

The label is a WordNet id, or an index from 0 in the order of the sorted ids. A name is matched as it is
written, then without folders, then without its suffix; where one of these would give an image two labels,
or two images one line, that is an error.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence

from triport.parity.imagenet.classes import NUM_CLASSES, is_wnid, wnid_indices
from triport.reference_models.errors import counted, listed

from .samples import DatasetError, Image, printable

_SUFFIX = re.compile(r"\.(jpe?g|png|webp|bmp|tiff?)$", re.IGNORECASE)
_VALIDATION_STEM = re.compile(r"(ILSVRC2012_val_\d{8})_n\d{8}")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


class ImageLabels:
    """The WordNet ids of images, by name."""

    def __init__(self, source: object, pairs: Iterable[tuple[str, str]], assumed: str = "") -> None:
        """Take in (name, WordNet id) pairs that `source` lists; `assumed` is what was taken for granted.

        Raises:
            DatasetError: a name has two of them.
        """
        self.source = source
        self.assumed = assumed
        self._by_path: dict[str, str] = {}
        conflicts = []
        for name, wnid in pairs:
            if self._by_path.setdefault(_plain(name), wnid) != wnid:
                conflicts.append(f"{printable(name)}: {self._by_path[_plain(name)]} and {wnid}")
        if conflicts:
            raise DatasetError(
                f"{source}: {counted(len(conflicts), 'image is', 'images are')} listed with two different "
                f"labels\n{listed(conflicts)}"
            )
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for path in self._by_path:
            name = _file_name(path)
            self._by_name.setdefault(name, []).append(path)
            self._by_stem.setdefault(_stem(name), []).append(path)

    def of(self, images: Sequence[Image]) -> list[str | None]:
        """Return each image's WordNet id, None where it is not listed.

        Raises:
            DatasetError: two images would have one line, or an image several lines with several labels.
        """
        found: list[str | None] = []
        users: dict[str, Image] = {}
        unclear = []
        for image in images:
            lines = self._lines_of(image)
            labels = {self._by_path[line] for line in lines}
            others = [users[line] for line in lines if users.setdefault(line, image) != image]
            if len(labels) > 1 or others:
                unclear.append(
                    f"{image}: the line of {printable(lines[0])} is also that of {_other(lines, others)}"
                )
            found.append(labels.pop() if labels else None)
        if unclear:
            raise DatasetError(
                f"{self.source}: {counted(len(unclear), 'image cannot', 'images cannot')} be told from "
                "others by the names in it\n"
                + listed(unclear)
                + "\nList them with their folders and suffixes"
            )
        return found

    def _lines_of(self, image: Image) -> list[str]:
        path = _plain(image.name)
        name = _file_name(path)
        if path in self._by_path:
            return [path]
        return self._by_name.get(name) or self._by_stem.get(_stem(name)) or []


def _other(lines: Sequence[str], others: Sequence[Image]) -> str:
    return str(others[0]) if others else printable(lines[1])


def read_named_labels(source: object, lines: Sequence[str]) -> ImageLabels:
    """Return the labels of lines that each have a name and a label.

    Raises:
        DatasetError: they have not, or what they have are no labels.
    """
    rows = _rows(lines)
    if rows and len(rows) > 1 and _label_in(rows[0]) is None and _label_in(rows[1]) is not None:
        rows = rows[1:]  # a table's header
    labels = [_label_in(row) for row in rows]
    unread = [" ".join(row) for row, label in zip(rows, labels, strict=True) if label is None]
    if not rows or unread:
        raise DatasetError(
            f"{source}: no labels file: expected the devkit's ids, WordNet ids, or `name label`, one a line"
            + (
                f"; found {counted(len(unread), 'other line')}\n{listed(map(printable, unread))}"
                if rows
                else ", found none"
            )
        )
    names = [row[0] for row in rows]
    found = [label for label in labels if label is not None]
    wnids = _wnids(source, names, found)
    numbers = all(map(_NUMBER.fullmatch, found))
    assumed = ", whose numbers are taken for the places of the sorted WordNet ids, from 0" if numbers else ""
    return ImageLabels(source, zip(names, wnids, strict=True), assumed)


def check_known(source: object, wnids: Iterable[str]) -> None:
    """Raise DatasetError where a WordNet id is no class of ILSVRC-2012."""
    unknown = sorted({wnid for wnid in wnids if wnid not in wnid_indices()})
    if unknown:
        raise DatasetError(
            f"{source}: {counted(len(unknown), 'label is', 'labels are')} no class of "
            f"ILSVRC-2012\n{listed(map(printable, unknown))}"
        )


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """Return the fields of each line, by the separator that the lines have."""
    lines = [line for line in lines if line.strip()]
    separator = next((mark for mark in ",\t;" if all(mark in line for line in lines[:2])), None)
    if separator is None:
        return [_fields(line) for line in lines]
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error:
        return [[line] for line in lines]
    return [[field.strip() for field in row] for row in rows]


def _fields(line: str) -> list[str]:
    """Return name and label of a line with blanks, which a name may have too."""
    parts = [part.strip("\"'") for part in line.split()]
    place = next((place for place, part in enumerate(parts) if place and is_wnid(part)), len(parts) - 1)
    return [" ".join(parts[:place]), *parts[place:]]


def _label_in(row: Sequence[str]) -> str | None:
    """Return the label of a row: its one WordNet id, or its one number; None without, or with several."""
    words = [word for field in row[1:] for word in field.split()]
    wnids = dict.fromkeys(word for word in words if is_wnid(word))
    found = wnids or [field for field in row[1:] if _NUMBER.fullmatch(field)]
    return next(iter(found)) if row[0] and len(found) == 1 else None


def _wnids(source: object, names: Sequence[str], labels: Sequence[str]) -> list[str]:
    if not all(map(_NUMBER.fullmatch, labels)):
        check_known(source, labels)
        return list(labels)
    numbers = [int(label) for label in labels]
    if _are_running(names, numbers):
        raise DatasetError(
            f"{source}: its numbers count the images ({names[0]} {numbers[0]}, {names[-1]} {numbers[-1]}): "
            "they are no labels. Kaggle's are in LOC_val_solution.csv, the devkit has its own"
        )
    if -1 in numbers:
        raise DatasetError(
            f"{source}: {counted(numbers.count(-1), 'image has', 'images have')} the label -1, which means "
            f"that the class is not known, as in the hub's test images: expected 0 to {NUM_CLASSES - 1}"
        )
    if min(numbers) < 0 or max(numbers) >= NUM_CLASSES:
        raise DatasetError(
            f"{source}: its labels run from {min(numbers)} to {max(numbers)}: expected 0 to "
            f"{NUM_CLASSES - 1}. They are shifted by one, or the devkit's ids"
        )
    order = list(wnid_indices())
    return [order[number] for number in numbers]


def _are_running(names: Sequence[str], numbers: Sequence[int]) -> bool:
    """Whether the numbers are those of the lines, or those in the images' names."""
    if len(numbers) < 2:
        return False
    in_order = all(number - numbers[0] == place for place, number in enumerate(numbers))
    each_once = len(set(numbers)) == len(numbers) == max(numbers) - min(numbers) + 1
    if (in_order and len(numbers) > 2) or (each_once and len(numbers) >= 10):
        return True
    in_names = [_LAST_NUMBER.search(_stem(name)) for name in names]
    counted = [int(found[1][-9:]) if found else None for found in in_names]
    return any(
        all(
            found is not None and number == found + shift
            for number, found in zip(numbers, counted, strict=True)
        )
        for shift in (0, -1, 1)
    )


def _plain(path: str) -> str:
    return path.strip().removeprefix("./").replace("\\", "/")


def _file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _stem(name: str) -> str:
    """Return a file name without its suffix, and a validation image's without its WordNet id."""
    stem = _SUFFIX.sub("", name)
    found = _VALIDATION_STEM.fullmatch(stem)
    return found[1] if found else stem
