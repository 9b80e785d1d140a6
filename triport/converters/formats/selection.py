"""What the user says of a file that holds more than one network, or names a layer otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from triport.converters.formats.source import FormatError
from triport.converters.formats.tensors import Checkpoint, Dropped, short
from triport.converters.formats.training_state import mirrored_groups, without_training_state
from triport.reference_models.errors import counted
from triport.reference_models.program import program


class Selection(NamedTuple):
    """Which tensors of a file are meant, and under which names.

    Attributes:
        key: where a PyTorch file's state dict lies, keys joined by dots or slashes.
        prefix: of the names to take, without its last dot; "." leaves out the copies beside the others.
        renames: (old, new) of whole parts of names, from the first on.
    """

    key: str | None = None
    prefix: str | None = None
    renames: tuple[tuple[str, str], ...] = ()


WHOLE_FILE = Selection()


def parsed_renames(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return each "old=new" as a pair.

    Raises:
        FormatError: a text is not of that form.
    """
    pairs = []
    for text in texts:
        old, sign, new = text.partition("=")
        if not (sign and old.strip(".") and new.strip(".")) or "=" in new:
            raise FormatError(f"--rename {short(text)}: expected OLD=NEW, such as fc.1=fc")
        pairs.append((old.strip("."), new.strip(".")))
    return tuple(pairs)


def selected(checkpoint: Checkpoint, selection: Selection) -> Checkpoint:
    """Return the model's tensors of a checkpoint as it was opened, as the user says.

    Raises:
        FormatError: no name has the prefix, or a name to change is not there or its new one is taken.
    """
    if selection.prefix is None:
        checkpoint = without_training_state(checkpoint)
    else:
        prefix = selection.prefix.rstrip(".")
        if not prefix:
            checkpoint = _without_copies(without_training_state(checkpoint))
        elif any(name.startswith(f"{prefix}.") for name in checkpoint.tensors):
            checkpoint = without_training_state(_under_prefix(checkpoint, prefix))
        else:
            checkpoint = _under_prefix(without_training_state(checkpoint), prefix)
    for old, new in selection.renames:
        checkpoint = _renamed(checkpoint, old, new)
    return checkpoint


def _under_prefix(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    start = f"{prefix}."
    kept = {
        name[len(start) :]: tensor for name, tensor in checkpoint.tensors.items() if name.startswith(start)
    }
    if not kept:
        found = Counter(name.partition(".")[0] for name in checkpoint.tensors)
        listed = ", ".join(f"{short(first)} ({count})" for first, count in found.most_common(10))
        raise FormatError(
            f"{checkpoint.path}: --prefix {short(prefix)}: no name starts with it. The names' first parts, "
            f"and how many names have each: {listed}"
        )
    dropped = [
        Dropped(name, f"not under --prefix {prefix}")
        for name in checkpoint.tensors
        if not name.startswith(start)
    ]
    return replace(
        checkpoint,
        tensors=kept,
        dropped=checkpoint.dropped + tuple(dropped),
        notes=(*checkpoint.notes, f"the {counted(len(kept), 'name')} under --prefix {prefix} were taken"),
    )


def _without_copies(checkpoint: Checkpoint) -> Checkpoint:
    """Leave out every sub-tree whose names are those of tensors outside it."""
    groups = mirrored_groups({name: tensor.shape for name, tensor in checkpoint.tensors.items()})
    copies = {name for prefix, pairs in groups.items() if prefix.endswith(".") for name in pairs}
    if not copies:
        raise FormatError(
            f"{checkpoint.path}: --prefix .: there is no copy beside the outermost names; leave it out"
        )
    return replace(
        checkpoint,
        tensors={name: tensor for name, tensor in checkpoint.tensors.items() if name not in copies},
        dropped=checkpoint.dropped
        + tuple(
            Dropped(name, "a copy, not under --prefix .") for name in checkpoint.tensors if name in copies
        ),
        notes=(
            *checkpoint.notes,
            f"{counted(len(copies), 'copy', 'copies')} beside the outermost names were left out",
        ),
    )


def _renamed(checkpoint: Checkpoint, old: str, new: str) -> Checkpoint:
    names = {
        name: new + name[len(old) :]
        for name in checkpoint.tensors
        if name == old or name.startswith(f"{old}.")
    }
    if not names:
        raise FormatError(
            f"{checkpoint.path}: --rename {short(old)}={short(new)}: no name is {short(old)} or starts with "
            f"{short(old)}. (`{program()} inspect FILE --json -` lists the names)"
        )
    taken = [name for name in names.values() if name in checkpoint.tensors and name not in names]
    if taken:
        raise FormatError(
            f"{checkpoint.path}: --rename {short(old)}={short(new)}: {short(taken[0])} is there already"
        )
    return replace(
        checkpoint,
        tensors={names.get(name, name): tensor for name, tensor in checkpoint.tensors.items()},
        notes=(
            *checkpoint.notes,
            f"{counted(len(names), 'name was', 'names were')} changed by --rename {old}={new}",
        ),
    )
