"""Which part of a data set is scored where training, validation and test images lie side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from triport.reference_models.errors import counted, listed

from .samples import DatasetError, printable

VALIDATION = ("val", "validation", "valid")
OTHERS = ("train", "training", "test", "testing")
# of the archives and folders as Kaggle and the hub give them
_INSIDE = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "data")
_WORDS = re.compile(r"[A-Za-z]+")

T = TypeVar("T")


def image_root(data: Path) -> Path:
    """Return the folder of validation images in `data`, or `data` where it has no such parts.

    Raises:
        DatasetError: it has several, or only training or test images.
    """
    for place in _INSIDE:
        found = [name for name in VALIDATION if (data / place / name).is_dir()]
        if len(found) > 1:
            raise DatasetError(
                f"{data / place}: has {' and '.join(found)}: give the one that is meant with --data"
            )
        if found:
            return data / place / found[0]
    if data.is_dir():
        folders = {entry.name.lower() for entry in data.iterdir() if entry.is_dir() and entry.name[:1] != "."}
        others = sorted(folders & set(OTHERS))
        if others and folders <= set(OTHERS):
            raise DatasetError(
                f"{data}: has {' and '.join(others)} and no validation images (a folder "
                f"{' or '.join(VALIDATION)}). To score {others[0]}, give --data {data / others[0]}"
            )
    return data


def one_split(data: Path, items: Sequence[T], words_of: Callable[[T], Iterable[str]]) -> tuple[list[T], str]:
    """Return the items of the validation part, and a note on what was left out ("" where nothing was).

    `words_of` gives the words that can say which part an item is of: its folders, or those of a shard's name.

    Raises:
        DatasetError: there are several parts, and not one of them is the validation part.
    """
    parts: dict[str, list[T]] = {}
    for item in items:
        known = (word.lower() for word in words_of(item))
        part = next((word for word in known if word in VALIDATION or word in OTHERS), "")
        parts.setdefault(part, []).append(item)
    if len(parts) < 2:
        return list(items), ""
    chosen = [part for part in parts if part in VALIDATION]
    if len(chosen) != 1 or "" in parts:
        raise DatasetError(
            f"{data}: holds parts that are not to be scored as one\n"
            + listed(f"{part or 'no name of a part'}: {len(found)}" for part, found in sorted(parts.items()))
            + "\nGive the validation images alone"
        )
    others = ", ".join(
        f"{len(found)} of {part}" for part, found in sorted(parts.items()) if part != chosen[0]
    )
    return parts[chosen[0]], f"only {chosen[0]} is scored; left out: {others}"


def one_split_of_names(data: Path, names: Sequence[str]) -> tuple[list[str], str]:
    """Return the names of the validation part by their folders, as `one_split` does.

    The innermost folder is a class, which may be called "train" too: it only counts where others say parts.
    """
    outer = {word.lower() for name in names for folder in folders_of(name)[:-1] for word in _words(folder)}
    if not outer & {*VALIDATION, *OTHERS}:
        return list(names), ""
    return one_split(data, names, words_of_folders)


def folders_of(name: str) -> tuple[str, ...]:
    """Return the folders in a file's name, outermost first."""
    return PurePosixPath(name).parts[:-1]


def words_of_folders(name: str) -> list[str]:
    """Return the words in the names of a file's folders, outermost first."""
    return [word for folder in folders_of(name) for word in _words(folder)]


def words_of_file(path: Path) -> list[str]:
    """Return the words of a shard's name."""
    return _words(path.stem)


def _words(name: str) -> list[str]:
    return _WORDS.findall(name)


def check_one_root(data: Path, names: Iterable[str]) -> None:
    """Raise DatasetError unless all class folders lie in one folder."""
    roots = sorted({"/".join(folders_of(name)[:-1]) for name in names})
    if len(roots) > 1:
        raise DatasetError(
            f"{data}: its class folders lie in {counted(len(roots), 'folder')}, which may be several data "
            "sets\n" + listed(printable(root) or "(its root)" for root in roots)
        )
