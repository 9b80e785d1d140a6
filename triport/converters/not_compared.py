"""What two checkpoints hold that a comparison of their tensors and graphs leaves out, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from triport.converters.formats import Checkpoint, short
from triport.converters.formats.onnx import CONSTANT_NUMBER
from triport.converters.identification.identify import ANOTHER_NAME, GRAPH_CONSTANT
from triport.reference_models.errors import counted

if TYPE_CHECKING:
    from triport.converters.comparison import SideBySide


def not_compared(sides: SideBySide) -> Iterator[str]:
    """Yield what a file holds beside what was compared, constants of its graph not counted."""
    for index, one in enumerate((sides.left, sides.right)):
        unread, idle = _unread(one)
        dropped = [(item.name, item.reason) for item in one.dropped]
        if sides.fits:
            dropped = [*sides.fits[index].dropped]
        names = {
            name: why
            for name, why in dropped
            if why not in (GRAPH_CONSTANT, CONSTANT_NUMBER) and not why.startswith(ANOTHER_NAME)
        }
        if sides.fits:  # else every tensor was compared
            known = set(sides.fits[index].names.values())
            names |= {name: why for name, why in unread.items() if name not in known}
        yield from _sentences(one, names, idle)
    shapes = [_shapes(one) for one in (sides.left, sides.right)]
    if all(shapes) and shapes[0] != shapes[1]:
        taken = [f"{one.path} {shape}" for one, shape in zip((sides.left, sides.right), shapes, strict=True)]
        yield f"the files take inputs of other shapes, which was not judged: {' and '.join(taken)}"


def reaches_no_output(checkpoint: Checkpoint) -> Iterator[str]:
    """Yield what an ONNX file holds that no output is made of: no comparison of results judges it."""
    yield from _sentences(checkpoint, *_unread(checkpoint))


def _sentences(checkpoint: Checkpoint, names: Mapping[str, str], idle: int) -> Iterator[str]:
    if names:
        first, why = next(iter(names.items()))
        yield (
            f"{checkpoint.path}: {counted(len(names), 'entry was', 'entries were')} not compared, "
            f"{short(first)} the first ({short(why)})"
        )
    if idle:
        are = counted(idle, "node that no output depends on was", "nodes that no output depends on were")
        yield f"{checkpoint.path}: {are} not compared"


def _unread(checkpoint: Checkpoint) -> tuple[dict[str, str], int]:
    """Return the tensors of a graph that no output is made of, and how many of its nodes are none's."""
    if checkpoint.runtime != "onnx":
        return {}, 0
    from triport.converters.graphs.reader import UNREAD, unread_of

    names, idle = unread_of(checkpoint)
    return dict.fromkeys(names, UNREAD), idle


def _shapes(checkpoint: Checkpoint) -> str:
    """Return the shapes of what an ONNX file takes, ? for a free size; "" where there is no graph."""
    if checkpoint.runtime != "onnx":
        return ""
    from triport.converters.graphs.reader import sizes_of_inputs

    return short(", ".join(" x ".join(map(str, sizes)) for sizes in sizes_of_inputs(checkpoint)))
