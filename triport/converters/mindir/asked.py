"""What the command line asks of a graph: a .mindir file or a Cell, told apart from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triport.reference_models.errors import TriportError

if TYPE_CHECKING:
    from .convert_any import AnyConversion


class AskedError(TriportError):
    """Options that do not go together."""


def is_graph_asked(
    source: Path | None, cell: str | None, checkpoint: Path | None, inputs: Sequence[str], no_check: bool
) -> bool:
    """Return whether a graph is to be converted; imports nothing for a checkpoint.

    Raises:
        AskedError: options of a Cell without one.
    """
    if cell is not None:
        return True
    if checkpoint is not None or inputs:
        raise AskedError(
            "--checkpoint and --input describe a Cell: say which with --cell package.module:factory"
        )
    found = source is not None and is_mindir(source)
    if no_check and not found:
        raise AskedError("--no-check is for a .mindir file or --cell: a checkpoint is always read back")
    return found


def is_mindir(path: Path) -> bool:
    """Return whether a file begins as MindSpore's MindIR does, or is called .mindir."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    # ir_version, then producer_name
    size = head[1] if len(head) > 1 else 0
    begins = head[:1] == b"\x0a" and head[2 + size :].startswith(b"\x12\x09MindSpore")
    return begins or path.suffix == ".mindir"


def convert_asked(
    source: Path | None,
    cell: str | None,
    checkpoint: Path | None,
    inputs: Sequence[str],
    to: str,
    output: Path | None,
    opset: int,
    check: bool,
    others: Mapping[str, Any],
    progress: Callable[[str], None],
) -> AnyConversion:
    """Convert what was asked for; `others` are options that must not be given, by name.

    Raises:
        TriportError: it makes no sense, or cannot be converted.
    """
    from triport.converters.networks.input_specs import parse_input

    from .convert_any import convert_cell, convert_mindir, result_of

    what = "--cell" if cell is not None else f"{source}"
    if to != "onnx":
        raise AskedError(f"{what}: is a graph, which --to onnx writes, not --to {to}")
    given = [name for name, value in others.items() if value]
    if given:
        raise AskedError(f"{what}: any MindSpore graph is converted as it is: leave {', '.join(given)} out")
    if cell is not None:
        if source is not None:
            raise AskedError(f"{source}: give a file or --cell, not both (parameters: --checkpoint)")
        specs = [parse_input(text) for text in inputs]
        for text, spec in zip(inputs, specs, strict=True):
            if spec.name or spec.free or spec.values:
                raise AskedError(
                    f"--input {text}: of a Cell, sizes and an element type are said; its inputs have the "
                    "names that `construct` gives them, and the leading axis is the free one"
                )
        return result_of(
            lambda: convert_cell(
                cell, specs, output, checkpoint=checkpoint, opset=opset, check=check, progress=progress
            )
        )
    assert source is not None
    path = source
    return result_of(lambda: convert_mindir(path, output, opset=opset, check=check, progress=progress))
