"""A checkpoint in several files: their index, a JSON text, says which tensor lies in which.

transformers and huggingface_hub write model.safetensors.index.json and pytorch_model.bin.index.json:
{"metadata": {"total_size": bytes}, "weight_map": {tensor: file}}.
Source: https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/serialization/_base.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from triport.converters.formats import pth, safetensors
from triport.converters.formats.atomic import Output
from triport.converters.formats.source import FormatError, SourceFile
from triport.converters.formats.tensors import MAX_TENSORS, Checkpoint, Dropped, Tensor, short
from triport.reference_models.errors import counted, listed

FORMAT = "sharded"
WRITES: dict[str, tuple[str, ...]] = {}
OPTIONS: tuple[str, ...] = ()

_HEAD_BYTES = 4096
_MAX_BYTES = 160 * MAX_TENSORS
_MAX_PARTS = 1000
T = TypeVar("T")
_PART_FORMATS = (safetensors, pth)


def is_index_name(name: str) -> bool:
    """Return whether a file is called as an index is."""
    return name.endswith((".safetensors.index.json", ".bin.index.json"))


def sniff(source: SourceFile) -> bool:
    """Return whether a file is a JSON text with a weight_map."""
    head = source.head(_HEAD_BYTES)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and b'"weight_map"' in head


def open(source: SourceFile) -> Checkpoint:
    """Open every part, which lies beside the index, and hold it against the index.

    Raises:
        FormatError: a part is missing, is no plain name of a file, or has other tensors than the index says.
    """
    index = _parsed(source)
    placed = _weight_map(index, source.path)
    folder = Path(source.path).parent
    parts = {name: _part(folder / name, source.path) for name in dict.fromkeys(placed.values())}
    _check(source.path, placed, parts)
    tensors: dict[str, Tensor] = {name: parts[part].tensors[name] for name, part in placed.items()}
    kinds = {(one.format, one.runtime) for one in parts.values()}
    if len(kinds) > 1:
        found = ", ".join(f"{form} of {runtime}" for form, runtime in sorted(kinds))
        raise FormatError(f"{source.path}: its parts are of different formats or runtimes: {found}")
    first = next(iter(parts.values()))
    notes = [
        f"the checkpoint is in {counted(len(parts), 'file')}, and the SHA-256 is that of their index alone"
    ]
    total = index.get("metadata", {}).get("total_size") if isinstance(index.get("metadata"), dict) else None
    held = sum(tensor.nbytes for tensor in tensors.values())
    if isinstance(total, int) and total != held:
        notes.append(f"the index states {total:,} bytes of values, and the parts hold {held:,}")
    return Checkpoint(
        source.path,
        first.format,
        first.runtime,
        tensors,
        _merged({source.path: _texts(index), **{name: one.metadata for name, one in parts.items()}}),
        tuple(Dropped(item.name, item.reason) for one in parts.values() for item in one.dropped),
        tuple(dict.fromkeys([*(note for one in parts.values() for note in one.notes), *notes])),
        first.integrity,
        first.producer,
        _merged({name: one.statements for name, one in parts.items()}),
        tuple(str(folder / name) for name in parts),
    )


def _texts(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of an index's metadata; its numbers are sizes."""
    metadata = index.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _merged(said: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Return what all parts say of themselves, with the name of the file where one contradicts another."""
    merged: dict[str, T] = {}
    for name, values in said.items():
        for key, value in values.items():
            if merged.setdefault(key, value) != value:
                merged[f"{name}.{key}"] = value
    return merged


def write(
    path: str | os.PathLike[str], runtime: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Output:
    """Refuse: a checkpoint is written as one file."""
    raise FormatError(f"{os.fspath(path)}: no checkpoint is written in several files")


def parts_of(path: Path) -> list[str]:
    """Return the names of the parts that an index names, each once.

    Raises:
        FormatError: it is no index, or a name is none of a file beside it.
    """
    source = SourceFile(path)
    return list(dict.fromkeys(_weight_map(_parsed(source), source.path).values()))


def _parsed(source: SourceFile) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for name, value in pairs:
            if name in entries and entries[name] != value:
                raise FormatError(
                    f"{source.path}: the index has '{short(name)}' twice and says otherwise each time; get "
                    f"it again"
                )
            entries[name] = value
        return entries

    if source.size > _MAX_BYTES:
        raise FormatError(
            f"{source.path}: the index has {source.size:,} bytes; expected at most {_MAX_BYTES:,}, as "
            f"{MAX_TENSORS:,} tensors need"
        )
    try:
        index = json.loads(source.read(0, source.size), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{source.path}: the index is no JSON text: {error}; get it again") from None
    if not isinstance(index, dict):
        raise FormatError(f"{source.path}: the index is no JSON object; get it again")
    return index


def _weight_map(index: dict[str, Any], path: str) -> dict[str, str]:
    placed = index.get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(one, str) for one in placed.values()):
        raise FormatError(
            f"{path}: has no table weight_map of tensors and files, as the index of a checkpoint in several "
            f"files has: it is another JSON text, or not whole"
        )
    if len(placed) > MAX_TENSORS:
        raise FormatError(f"{path}: names {counted(len(placed), 'tensor')}; expected at most {MAX_TENSORS:,}")
    names = set(placed.values())
    if len(names) > _MAX_PARTS:
        raise FormatError(f"{path}: names {counted(len(names), 'part')}; expected at most {_MAX_PARTS:,}")
    for name in names:
        plain = name and name[0] != "." and not set(name) & set('/\\:\0"') and len(name) <= 255
        if not plain or not name.isprintable():
            raise FormatError(
                f"{path}: names the part '{short(name)}', which is no name of a file beside the index: "
                f"refused"
            )
    return placed


def _part(path: Path, index: str) -> Checkpoint:
    if not path.exists():
        raise FormatError(
            f"{index}: its part {path.name} is not beside it. Download every part into one folder"
        )
    source = SourceFile(path)
    found = [module for module in _PART_FORMATS if module.sniff(source)]
    if len(found) != 1:
        raise FormatError(
            f"{index}: its part {path.name} is neither a safetensors file nor one of torch.save; get it again"
        )
    return found[0].open(source)


def _check(path: str, placed: Mapping[str, str], parts: Mapping[str, Checkpoint]) -> None:
    """Raise FormatError unless each tensor lies in the part that the index says, and in no other one."""
    problems = [
        f"{short(name)} is not in {part}, where the index says"
        for name, part in placed.items()
        if name not in parts[part].tensors
    ]
    problems += [
        f"{short(name)} is in {part}, and the index "
        + (f"says {placed[name]}" if name in placed else "does not name it")
        for part, one in parts.items()
        for name in one.tensors
        if placed.get(name) != part
    ]
    if problems:
        raise FormatError(
            f"{path}: the index and its parts do not agree; {len(problems)} of their names differ\n"
            f"{listed(problems)}\n"
            f"Parts of two checkpoints may be mixed: download all of them again"
        )
