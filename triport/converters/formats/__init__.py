"""Checkpoint files, read and written without any framework: one file per on-disk format.

A format is a module here that has FORMAT: its name. It defines

    WRITES: which suffixes it writes, by runtime
    OPTIONS: what `write` takes more, by name
    sniff(source): whether a file's content is of this format
    open(source): the Checkpoint that a file holds, payloads unread; where the format has KEYS, `key` says
        which of several state dicts in it
    write(path, runtime, tensors, metadata): a whole new file; returns the closed Output

and is found by discovery. The others here are what the formats share.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from triport.converters.formats import archives
from triport.converters.formats.atomic import Output, check_place, replacing
from triport.converters.formats.not_checkpoints import what_it_is
from triport.converters.formats.selection import WHOLE_FILE, Selection, parsed_renames, selected
from triport.converters.formats.source import FormatError, SourceFile, file_sha256
from triport.converters.formats.tensors import (
    FLOATS,
    NO_CHECKSUM,
    ArrayTensor,
    Checkpoint,
    Dropped,
    FileTensor,
    Tensor,
    as_stated,
    numpy_dtype,
    same_payload,
    short,
)
from triport.converters.published import model_file, other_files

__all__ = [
    "FLOATS",
    "NO_CHECKSUM",
    "WHOLE_FILE",
    "ArrayTensor",
    "Checkpoint",
    "Dropped",
    "FormatError",
    "Selection",
    "Tensor",
    "as_stated",
    "check_place",
    "check_target",
    "file_sha256",
    "formats",
    "numpy_dtype",
    "open_checkpoint",
    "parsed_renames",
    "replacing",
    "same_payload",
    "short",
    "write_checkpoint",
]

_INTERFACE = ("WRITES", "OPTIONS", "sniff", "open", "write")


@functools.cache
def formats() -> dict[str, ModuleType]:
    """Return the format modules by name.

    Raises:
        ImportError: two modules claim one name, or one lacks a part of the interface.
    """
    found: dict[str, ModuleType] = {}
    # not pkgutil: importing that costs as much as all the formats
    for name in sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"{__name__}.{name}")
        title = getattr(module, "FORMAT", None)
        if title is None:
            continue
        if title in found:
            raise ImportError(f"{module.__name__} and {found[title].__name__} are both the format '{title}'")
        missing = [part for part in _INTERFACE if not hasattr(module, part)]
        if missing:
            raise ImportError(f"{module.__name__}: a format also needs {', '.join(missing)}")
        found[title] = module
    return found


def open_checkpoint(path: str | os.PathLike[str], selection: Selection = WHOLE_FILE) -> Checkpoint:
    """Open a checkpoint of any format, told by its content, never by its name.

    Training state, other copies of the weights and wrappers' name prefixes are taken off; the
    result's `dropped` and `notes` say so. A published folder is its ONNX file, a hub's its weights.

    Args:
        path: the file.
        selection: which tensors are meant where the file holds more than one network.

    Raises:
        FormatError: there is no such file, or it is empty, damaged, unsafe or of no known format, or has
            not what the selection names.
    """
    given, path = path, model_file(path)
    if os.path.isdir(path):  # noqa: PTH112 a folder of a stranger's is only looked at
        raise FormatError(f"{os.fspath(path)}: {archives.folder(path)}")
    source = SourceFile(path)
    if not source.size:
        raise FormatError(f"{source.path}: is empty; get the file again")
    matching = [module for module in formats().values() if module.sniff(source)]
    if len(matching) != 1:
        known = ", ".join(formats())
        if matching:
            names = ", ".join(module.FORMAT for module in matching)
            raise FormatError(
                f"{source.path}: could be any of {names}: the file is damaged or made to deceive"
            )
        what = what_it_is(source) or (
            f"is of no known format (it starts with {source.head(8).hex(' ')}); known are {known}. If the "
            f"name is right, get the file again and compare its size with the publisher's"
        )
        raise FormatError(f"{source.path}: {what}")
    checkpoint = selected(_opened(matching[0], source, selection.key), selection)
    source.check_unchanged()
    passed_over = other_files(given)
    if not passed_over:
        return checkpoint
    return replace(checkpoint, notes=(*checkpoint.notes, archives.choice(Path(path).name, passed_over)))


def _opened(module: ModuleType, source: SourceFile, key: str | None) -> Checkpoint:
    """Return a file as its format opens it, or the state dict that lies under `key`."""
    if key is None:
        return module.open(source)
    if not getattr(module, "KEYS", False):
        raise FormatError(
            f"{source.path}: --key is for files of torch.save, which may hold several state dicts; this one "
            f"is {module.FORMAT}, with one table of names: --prefix chooses among them"
        )
    return module.open(source, key=key)


def check_target(path: str | os.PathLike[str], runtime: str) -> ModuleType:
    """Return the format that an output's suffix asks for.

    Raises:
        FormatError: the runtime has no format of that suffix.
    """
    suffix = Path(path).suffix.lower()
    choices = {end: module for module in formats().values() for end in module.WRITES.get(runtime, ())}
    if not choices:
        raise FormatError(f"{os.fspath(path)}: no checkpoint format is written for {runtime}")
    if suffix not in choices:
        ends = f"end the name in {' or '.join(sorted(choices))}"
        if Path(path).is_dir():
            raise FormatError(f"{os.fspath(path)}: is a folder; name the file in it, and {ends}")
        called = f"is called *{suffix}" if suffix else "has a name without an ending"
        raise FormatError(f"{os.fspath(path)}: no {runtime} checkpoint {called}; {ends}")
    return choices[suffix]


def write_checkpoint(
    path: str | os.PathLike[str],
    runtime: str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    **options: bool,
) -> None:
    """Write a checkpoint whole or not at all: beside, compared bit for bit, then renamed.

    Args:
        path: the file; its suffix chooses the format.
        runtime: for whom: "mindspore" or "pytorch".
        tensors: by name, in the order to write.
        metadata: texts to carry.
        options: what the format offers more, such as `crc` of .ckpt.

    Raises:
        FormatError: the place or the tensors do not fit, the disk is full, or what was written
            does not read back equal.
    """
    module = check_target(path, runtime)
    asked = {name for name, value in options.items() if value}
    for name in asked - set(module.OPTIONS):
        others = [
            end for one in formats().values() if name in one.OPTIONS for end in one.WRITES.get(runtime, ())
        ]
        raise FormatError(
            f"{os.fspath(path)}: {module.FORMAT} files are written without {name}: leave it out"
            + (f", or end the name in {' or '.join(others)}" if others else "")
        )
    if not tensors:
        raise FormatError(f"{os.fspath(path)}: there is no tensor to write")
    with replacing(path) as temporary:
        output = module.write(temporary, runtime, tensors, dict(metadata or {}), **dict.fromkeys(asked, True))
        written = SourceFile(temporary)
        found = module.open(written).tensors
        wrong = [name for name in {**tensors, **found} if not _is_in_place(name, tensors, found, output)]
        if wrong or not output.stamp == written.stamp == written.current_stamp():
            first = f" ('{short(wrong[0])}' is the first)" if wrong else ""
            raise FormatError(
                f"{os.fspath(path)}: {len(wrong) or 'some'} of {len(tensors)} tensors do not read back as "
                f"they were written{first}: something else wrote to the file, or the disk or memory is "
                f"faulty. Nothing was written"
            )


def _is_in_place(
    name: str, tensors: Mapping[str, Tensor], found: Mapping[str, Tensor], output: Output
) -> bool:
    """Return whether the reader finds a tensor just where its bytes were written and compared."""
    if name not in tensors or name not in found:
        return False
    wanted, read = tensors[name], found[name]
    if not isinstance(read, FileTensor) or (wanted.shape, wanted.dtype) != (read.shape, read.dtype):
        return False
    ranges = [(offset, length) for offset, length in read.ranges if length]
    return any(
        ranges == [(offset, length) for offset, length in place if length]
        for place in output.places.get(wanted, ())
    )
