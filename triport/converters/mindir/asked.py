"""What the command line asks of a graph: a .mindir file or a Cell, told apart from a checkpoint."""

from __future__ import annotations

from pathlib import Path

from triport.converters.formats.foreign_files import begins_as_mindir
from triport.converters.request import ConvertRequest
from triport.reference_models.errors import TriportError

# fields of a request that are of a checkpoint's parameters alone
OF_WEIGHTS = (
    "model",
    "dialect",
    "dtype",
    "optimize",
    "crc",
    "plain",
    "selection",
    "with_head",
    "size",
    "io_dtype",
)


class AskedError(TriportError):
    """Options that do not go together."""


def is_graph_asked(source: Path | None, request: ConvertRequest) -> bool:
    """Return whether a graph is to be converted; imports nothing for a checkpoint.

    Raises:
        AskedError: options of a Cell without one.
    """
    if request.cell is not None:
        return True
    if request.given("checkpoint", "inputs"):
        raise AskedError(
            "--checkpoint and --input describe a network in code: name it, package.module:factory, or say "
            "which with --cell"
        )
    found = source is not None and is_mindir(source)
    if not request.check and not found:
        raise AskedError("--no-check is for a .mindir file or --cell: a checkpoint is always read back")
    return found


def is_mindir(path: Path) -> bool:
    """Return whether a file begins as MindSpore's MindIR does, or is called .mindir."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return begins_as_mindir(head) or path.suffix == ".mindir"
