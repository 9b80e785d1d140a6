"""Which files of a WebDataset shard make a sample: an image and what is written of its class.

WebDataset groups files by their name up to its first dot. People's names have dots too: a sample is first
looked for by the name up to its last dot. Every label must find its image and every image its label, so that
no sample goes away without a word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triport.parity.imagenet.classes import is_wnid
from triport.reference_models.errors import counted, listed

from .samples import SUFFIXES, DatasetError, Image, printable

LABEL_SUFFIXES = frozenset({".cls", ".json"})
# the fields of a .json that state an image's class; others may hold a prediction, or what is wrong with it
_LABEL_KEYS = frozenset(
    {
        *("label", "labels", "cls", "class", "class_id", "class_idx", "class_index", "class_label"),
        *("target", "wnid", "wordnet_id", "synset", "synset_id", "category", "category_id"),
    }
)
# a label is short; a file of another kind that is called so is not read into memory
_LARGEST_LABEL = 1 << 20


@dataclass(slots=True)
class _Group:
    """Files of one name up to the last dot."""

    image: Image | None = None
    labels: list[Image] = field(default_factory=list)


def samples_of(shard: Path, files: Sequence[Image]) -> tuple[list[tuple[Image, list[str]]], list[str]]:
    """Return the images of a shard in its order, each with what its labels say, and the files passed over.

    Raises:
        DatasetError: a sample has two images, or lacks its image or its label.
    """
    groups: dict[str, _Group] = {}
    for file in files:
        stem, suffix = _split(file.name)
        if suffix in SUFFIXES:
            group = groups.setdefault(stem, _Group())
            if group.image is not None:
                raise DatasetError(f"{shard}: {printable(stem)} has two images: {group.image}, {file}")
            group.image = file
        elif suffix in LABEL_SUFFIXES:
            groups.setdefault(stem, _Group()).labels.append(file)
    whole = {stem: group for stem, group in groups.items() if group.image is not None and group.labels}
    beside = _files_beside(shard, files, set(whole))
    found = []
    for group in whole.values():
        assert group.image is not None
        found.append((group.image, sorted({label for file in group.labels for label in _labels_in(file)})))
    return found, beside


def _files_beside(shard: Path, files: Sequence[Image], whole: set[str]) -> list[str]:
    """Return the files that are known to be no samples; raise DatasetError where one may be."""
    beside, left = [], []
    for file in files:
        stem, suffix = _split(file.name)
        if stem in whole:
            continue
        if suffix == ".cls":
            left.append(f"{printable(file.name)}: a label without an image")
        elif _up_to_first_dot(stem) in whole:
            beside.append(file.name)  # 0001.seg.png beside 0001.jpg
        elif suffix in SUFFIXES:
            left.append(f"{printable(file.name)}: an image without a label")
        elif suffix == ".json" and not _labels_in(file):
            beside.append(file.name)  # dataset_info.json
        else:
            left.append(f"{printable(file.name)}: without an image")
    if left:
        unlabelled = sum("without a label" in line for line in left)
        images = sum(_split(file.name)[1] in SUFFIXES for file in files)
        raise DatasetError(
            f"{shard}: {unlabelled} of {images} images have no label, and "
            f"{counted(len(left) - unlabelled, 'file')} no image ({', '.join(sorted(SUFFIXES))}) of their "
            f"name: they would be left out\n{listed(left)}"
        )
    return beside


def _split(name: str) -> tuple[str, str]:
    """Return a file's name up to its last dot, and its suffix in small letters."""
    folder, _, last = name.rpartition("/")
    stem, dot, suffix = last.rpartition(".")
    return (f"{folder}/{stem}", f".{suffix.lower()}") if dot else (name, "")


def _up_to_first_dot(stem: str) -> str:
    folder, _, last = stem.rpartition("/")
    return f"{folder}/{last.partition('.')[0]}"


def _labels_in(file: Image) -> list[str]:
    """Return every label that a .cls or .json file states; a .json may speak of something else."""
    try:
        if file.size is not None and file.size > _LARGEST_LABEL:
            raise ValueError(f"it has {file.size:,} bytes")
        text = file.read().decode("utf-8-sig").strip()
        if file.name.lower().endswith(".cls"):
            return [_plain(text)]
        values: Any = json.loads(text)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: cannot be read as a label ({error})") from error
    if isinstance(values, int | float) and not isinstance(values, bool):
        return [str(values)]
    if not isinstance(values, dict):
        return []
    stated = [value for key, value in values.items() if str(key).lower() in _LABEL_KEYS]
    return [_plain(str(value)) for value in stated if _is_label(value)]


def _is_label(value: Any) -> bool:
    """Whether a field's value is a number or a WordNet id; the words of a class say nothing of its index."""
    if isinstance(value, str):
        return is_wnid(value.strip()) or value.strip().removeprefix("-").isdecimal()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(text: str) -> str:
    """Return a label without blanks and leading zeros."""
    text = text.strip()
    return (text.lstrip("0") or "0") if text.isdecimal() and text.isascii() else text
