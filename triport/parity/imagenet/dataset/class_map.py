"""From a class's name to its index among the model's outputs: by WordNet id, or in a proven order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triport.converters.statements.config_file import NO_NAME
from triport.parity.imagenet.classes import BACKGROUND, NUM_CLASSES, class_names, is_wnid, wnid_indices
from triport.reference_models.errors import counted, listed

from .samples import DatasetError, printable
from .text_file import lines_of

_WNID_WITHIN = re.compile(r"(?<![0-9A-Za-z])n\d{8}(?![0-9A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The index of each class's name, what each output is called, and what was taken for granted."""

    indices: dict[str, int]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def map_of_folders(
    root: Path,
    folders: Iterable[str],
    num_classes: int,
    classes: Path | None = None,
    stated: Sequence[str] = (),
) -> ClassMap:
    """Return the classes that folders' names mean.

    WordNet ids are ILSVRC-2012's classes, however few of them are there, or those of a head of another size
    whose list is given. Folders 0 to 999 are the numbers of
    its outputs. Any other names must be exactly the model's classes: in the order of `classes`, a file that
    lists them, or of those that the network's own config.json has, `stated`, or in sorted order where every
    loader sorts them alike.

    Raises:
        DatasetError: a class is unknown, the classes are not the model's, or their order is not known.
    """
    folders = sorted(folders)
    if classes is not None:
        found = _listed_map(root, folders, num_classes, classes)
        other = sorted(found.class_names) == sorted(stated) and found.class_names != tuple(stated)
        note = f"{classes} has the outputs in another order than the config.json beside the weights"
        return replace(found, notes=(*found.notes, note)) if other else found
    of_ilsvrc = num_classes in (NUM_CLASSES, NUM_CLASSES + 1)
    is_stated = len(stated) == len(set(stated)) == num_classes and set(folders) <= set(stated)
    # of another head, WordNet ids are the classes that its own list has
    if any(is_wnid(name) for name in folders) and (of_ilsvrc or not is_stated):
        return _ilsvrc_map(root, folders, num_classes)
    within = {name: [found.lower() for found in _WNID_WITHIN.findall(name)] for name in folders}
    if not is_stated and folders and all(len(found) == 1 for found in within.values()):
        return _within_map(root, {name: found[0] for name, found in within.items()}, num_classes)
    if is_stated:
        indices = {name: index for index, name in enumerate(stated) if name in folders}
        note = f"the outputs are in the order of the config.json beside the weights ({_some(list(stated))})"
        return ClassMap(indices, tuple(stated), (note,))
    if of_ilsvrc:
        return _numbered_map(root, folders, num_classes)
    if len(stated) == num_classes and not all(map(NO_NAME.fullmatch, stated)):
        unknown = [printable(name) for name in folders if name not in stated]
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders are no outputs of the model, which the "
            f"config.json beside the weights calls {_some(list(stated))}. Call the folders so, or list "
            f"their names in the order of the outputs in a file for --classes\n{listed(unknown)}"
        )
    return _own_map(root, folders, num_classes)


def ilsvrc_map(root: Path, num_classes: int) -> ClassMap:
    """Return all of ILSVRC-2012's classes; a head of 1001 outputs has the background first.

    Raises:
        DatasetError: the model has another number of outputs.
    """
    if num_classes not in (NUM_CLASSES, NUM_CLASSES + 1):
        raise DatasetError(
            f"{root}: its folders are called by WordNet ids, as ImageNet's {NUM_CLASSES} classes are; the "
            f"model has {num_classes} outputs. For another list of classes, as ImageNet-21k's, give "
            f"--classes FILE: the id of each output, one per line, in their order"
        )
    background = (BACKGROUND,) if num_classes > NUM_CLASSES else ()
    indices = {wnid: index + len(background) for wnid, index in wnid_indices().items()}
    return ClassMap(indices, (*background, *class_names()))


def _ilsvrc_map(root: Path, folders: list[str], num_classes: int) -> ClassMap:
    everything = ilsvrc_map(root, num_classes)
    unknown = [printable(name) for name in folders if name not in everything.indices]
    if unknown:
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders are no class of ILSVRC-2012\n{listed(unknown)}"
        )
    return ClassMap({name: everything.indices[name] for name in folders}, everything.class_names)


def _within_map(root: Path, wnids: dict[str, str], num_classes: int) -> ClassMap:
    """Return the classes of folders that have a WordNet id in their names, as in n01440764_tench."""
    if len(set(wnids.values())) < len(wnids):
        twice = next(wnid for wnid in wnids.values() if list(wnids.values()).count(wnid) > 1)
        raise DatasetError(f"{root}: several folders have {twice} in their names: one folder per class")
    found = _ilsvrc_map(root, list(wnids.values()), num_classes)
    note = f"the classes are the WordNet ids in the folders' names ({_some(list(wnids))})"
    indices = {name: found.indices[wnid] for name, wnid in wnids.items()}
    return ClassMap(indices, found.class_names, (*found.notes, note))


def _listed_map(root: Path, folders: list[str], num_classes: int, classes: Path) -> ClassMap:
    names = _listed_names(classes)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if len(names) != num_classes or twice:
        repeated = f", of which twice {twice[0]}" if twice else ""
        raise DatasetError(
            f"{classes}: expected the model's {num_classes} classes, one a line or as a JSON list, and each "
            f"once, in the order of its outputs; found {len(names)}{repeated}"
        )
    indices = {name: index for index, name in enumerate(names)}
    unknown = [printable(name) for name in folders if name not in indices]
    if unknown:
        raise DatasetError(
            f"{root}: {len(unknown)} of {len(folders)} folders are not in {classes}\n{listed(unknown)}"
        )
    return ClassMap({name: indices[name] for name in folders}, tuple(names))


def _listed_names(classes: Path) -> list[str]:
    """Return the names in a list of lines or in JSON's form."""
    lines = [line.strip() for line in lines_of(classes, "a list of classes") if line.strip()]
    if lines and lines[0].startswith(("[", "{")):
        kind = "list" if lines[0].startswith("[") else "table"
        try:
            found = json.loads("".join(lines))
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{classes}: begins as a JSON {kind} and is none ({error})") from None
        names = _in_order(found) if isinstance(found, dict) else found
        if names is None:
            raise DatasetError(
                f"{classes}: expected a table of all classes and the numbers of their outputs, from 0 on"
            )
        if all(isinstance(name, str) for name in names):
            return names
    return lines


def _in_order(table: dict[str, Any]) -> list[str] | None:
    """Return the names of a class_to_idx or id2label, by output; None where it is neither."""
    numbers = [str(number) for number in range(len(table))]
    if sorted(table) == sorted(numbers):
        return [table[number] for number in numbers]
    if all(type(number) is int for number in table.values()) and sorted(table.values()) == list(
        range(len(table))
    ):
        return sorted(table, key=table.__getitem__)
    return None


def _numbered_map(root: Path, folders: list[str], num_classes: int) -> ClassMap:
    """Return the classes of folders 0 to 999, as ImageNet-V2 has them; other names are of no known order."""
    numbers = {name: int(name) for name in folders if re.fullmatch(r"[0-9]{1,9}", name)}
    if sorted(numbers.values()) != list(range(NUM_CLASSES)) or len(numbers) != len(folders):
        raise DatasetError(
            f"{root}: the model has {num_classes} outputs, found {counted(len(folders), 'folder')} that are "
            f"not named by WordNet ids ({_some(folders)}), and nothing says which output each one is: their "
            "order is not known to be the outputs'. Name them by WordNet id (n01440764), or list the "
            "folders' names in the order of the outputs in a file for --classes"
        )
    everything = ilsvrc_map(root, num_classes)
    first = num_classes - NUM_CLASSES
    return ClassMap(
        {name: number + first for name, number in numbers.items()},
        everything.class_names,
        ("folders 0 to 999 are taken for the places of the sorted WordNet ids",),
    )


def _own_map(root: Path, folders: list[str], num_classes: int) -> ClassMap:
    if len(folders) != num_classes:
        raise DatasetError(
            f"{root}: the model has {num_classes} outputs, found {counted(len(folders), 'folder')} that are "
            f"not named by WordNet ids: each output needs its folder, or all classes stand in a file for "
            f"--classes, in the order of the outputs\n{listed(map(printable, folders))}"
        )
    natural = sorted(folders, key=_natural_key)
    if folders != natural:
        raise DatasetError(
            f"{root}: the folders sort as text ({_some(folders)}) otherwise than by number or without "
            f"regard to case ({_some(natural)}), and loaders differ in which of them they take. Give numbers "
            "leading zeros and names one case, or list the folders' names in the order of the outputs in a "
            "file for --classes"
        )
    note = (
        f"the outputs are taken to be the folders in sorted order ({_some(folders)}), as data loaders number "
        "them; --classes says another order"
    )
    return ClassMap({name: index for index, name in enumerate(folders)}, tuple(folders), (note,))


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return what timm sorts by: runs of digits as numbers, letters without case."""
    digits_and_others = re.split(r"(\d+)", name.lower())
    return [
        (0, len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (1, 0, part)
        for part in digits_and_others
    ]


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:3])
    return shown + (", ..." if len(names) > 3 else "")
