"""The parts of a file that a network may be: what lies under a prefix, wrappers' names taken out.

Training code keeps the network as an attribute (`model.`, `backbone.`, `network.`) beside others. A part is
taken where it then is just a model's; nothing here decides that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from triport.converters.formats import Checkpoint, Dropped, short
from triport.converters.formats.training_state import WRAPPERS, mirrored_state, without_components
from triport.converters.names import COUNTER_LEAF
from triport.reference_models.spec import ModelSpec

from .name_index import find_models, is_current, is_known

# DataParallel's is a name that a network may use too, so it is only taken out of a part that is tried
_WRAPPERS = ("module", *WRAPPERS)
_MAX_DEPTH = 12
_FEWEST = 8  # names that a part must have: the smallest network here has ten times as many


class CheckpointPart(NamedTuple):
    """A part of a checkpoint.

    Attributes:
        checkpoint: the part alone, under the names that it has without what stands before them.
        names: those names -> the file's.
        prefix: what was taken off, without the last dot; "" is the whole file. Several prefixes of one level
            are joined by commas.
        beside: the file's names outside of the network, an optimizer's state not among them.
    """

    checkpoint: Checkpoint
    names: Mapping[str, str]
    prefix: str
    beside: tuple[str, ...]


def is_of_known_model(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether tensors of these names and shapes, or a part of them, are just a known model's."""
    names = {name: name for name in shapes}
    return any(is_known(_shapes(part, shapes)) for part, _ in _parts_of(names, with_whole=True))


def known_parts(checkpoint: Checkpoint) -> Iterator[tuple[CheckpointPart, list[ModelSpec] | None]]:
    """Yield what is just a model's names and shapes, beside the checkpoint itself, and which models'.

    Where the table of names is not of these specs, that is every part, with None.
    """
    shapes = {name: tensor.shape for name, tensor in checkpoint.tensors.items()}
    names, state = _without_state(checkpoint)
    for found, prefix in _parts_of(names, with_whole=bool(state)):
        models = (find_models(_shapes(found, shapes)) or []) if is_current() else None
        if models is None or models:
            yield _part(checkpoint, found, prefix, state), models


def largest_parts(checkpoint: Checkpoint, count: int) -> Iterator[CheckpointPart]:
    """Yield the largest parts of one prefix each, beside the checkpoint itself."""
    names, state = _without_state(checkpoint)
    found = [one for one in _parts_of(names, with_whole=bool(state)) if ", " not in one[1]]
    for inside, prefix in sorted(found, key=lambda one: -len(one[0]))[:count]:
        yield _part(checkpoint, inside, prefix, state)


def _without_state(checkpoint: Checkpoint) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names that may be a network's, and those of optimizer state with the reason."""
    state = mirrored_state(checkpoint) if checkpoint.runtime == "mindspore" else {}
    return {name: name for name in checkpoint.tensors if name not in state}, state


def rest_of(parts: Iterable[CheckpointPart], checkpoint: Checkpoint) -> CheckpointPart:
    """Return what a checkpoint holds outside parts, without optimizer state and wrappers' names."""
    inside = {name for part in parts for name in part.names.values()}
    state = mirrored_state(checkpoint) if checkpoint.runtime == "mindspore" else {}
    names = {name: name for name in checkpoint.tensors if name not in inside and name not in state}
    return _part(checkpoint, _stripped(names) or names, "", state)


def _shapes(
    names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> list[tuple[str, tuple[int, ...]]]:
    """Return names and shapes as the table of names wants them, from the shapes by the file's names."""
    return [(name, shapes[theirs]) for name, theirs in names.items() if not name.endswith(COUNTER_LEAF)]


def _part(
    checkpoint: Checkpoint, names: Mapping[str, str], prefix: str, state: Mapping[str, str]
) -> CheckpointPart:
    inside = set(names.values())
    where = f", which are under '{short(prefix)}'" if prefix else ""
    outside = [name for name in checkpoint.tensors if name not in inside]
    dropped = tuple(Dropped(name, state.get(name, f"beside the weights{where}")) for name in outside)
    return CheckpointPart(
        replace(
            checkpoint,
            tensors={name: checkpoint.tensors[theirs] for name, theirs in names.items()},
            dropped=checkpoint.dropped + dropped,
        ),
        names,
        prefix,
        tuple(name for name in outside if name not in state),
    )


def _parts_of(names: Mapping[str, str], with_whole: bool) -> Iterator[tuple[dict[str, str], str]]:
    """Yield each part's names and its prefix.

    Args:
        names: all names -> the file's.
        with_whole: whether all names, wrappers' left in, are a part.
    """
    if with_whole:
        yield dict(names), ""
    stripped = _stripped(names)
    if stripped is None:
        stripped = dict(names)
    elif stripped.keys() != names.keys():
        yield stripped, ""
    level: list[tuple[str, dict[str, str]]] = [("", stripped)]
    for _ in range(_MAX_DEPTH):
        deeper: list[tuple[str, dict[str, str]]] = []
        for prefix, inside in level:
            children: dict[str, dict[str, str]] = {}
            for name, theirs in inside.items():
                first, dot, rest = name.partition(".")
                if dot:
                    children.setdefault(first, {})[rest] = theirs
            below = [
                (f"{prefix}.{first}" if prefix else first, child)
                for first, child in children.items()
                if len(child) >= _FEWEST
            ]
            yield from ((child, where) for where, child in below)
            together = _together(inside, children)
            if together is not None:
                yield together, ", ".join(f"{prefix}.{first}" if prefix else first for first in children)
            deeper += below
        if not deeper:
            return
        level = deeper


def _together(inside: Mapping[str, str], children: Mapping[str, Mapping[str, str]]) -> dict[str, str] | None:
    """Return the names of several children side by side (a backbone and its head), if none comes twice."""
    if not 2 <= len(children) <= 4 or sum(map(len, children.values())) != len(inside):
        return None
    joined = {name: theirs for child in children.values() for name, theirs in child.items()}
    return joined if len(joined) == len(inside) and len(joined) >= _FEWEST else None


def _stripped(names: Mapping[str, str]) -> dict[str, str] | None:
    """Return the names without wrappers' components, None where two would be one."""
    found = {without_components(name, _WRAPPERS): theirs for name, theirs in names.items()}
    return found if len(found) == len(names) else None
