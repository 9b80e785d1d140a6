"""What the command line asks of a graph: a .mindir file or a Cell, told apart from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from triport.converters.request import Request
from triport.reference_models.errors import TriportError

if TYPE_CHECKING:
    from .convert_any import AnyConversion

# fields of a request that are of a checkpoint's parameters alone
OF_WEIGHTS = ("model", "dialect", "dtype", "optimize", "crc", "plain", "selection", "with_head")


class AskedError(TriportError):
    """Options that do not go together."""


def is_graph_asked(source: Path | None, request: Request) -> bool:
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
    # ir_version, then producer_name
    size = head[1] if len(head) > 1 else 0
    begins = head[:1] == b"\x0a" and head[2 + size :].startswith(b"\x12\x09MindSpore")
    return begins or path.suffix == ".mindir"


def convert_asked(source: Path | None, request: Request, progress: Callable[[str], None]) -> AnyConversion:
    """Convert the graph that was asked for.

    Raises:
        TriportError: it makes no sense, or cannot be converted.
    """
    from triport.converters.networks.factories import Made
    from triport.converters.networks.input_specs import parse_input

    from .convert_any import convert_cell, convert_mindir, result_of

    cell, output = request.cell, request.output
    what = f"{source}" if cell is None else cell.factory.text if isinstance(cell, Made) else "--cell"
    if request.to != "onnx":
        raise AskedError(f"{what}: is a graph, which --to onnx writes, not --to {request.to}")
    given = request.given(*OF_WEIGHTS)
    if request.source_runtime not in (None, "mindspore"):
        given.append("--from")
    if given:
        raise AskedError(f"{what}: any MindSpore graph is converted as it is: leave {', '.join(given)} out")
    if cell is None:
        assert source is not None
        return result_of(
            lambda: convert_mindir(
                source, output, opset=request.opset, check=request.check, progress=progress
            )
        )
    if source is not None:
        raise AskedError(f"{source}: give a file or --cell, not both (parameters: --checkpoint)")
    specs = [parse_input(one) if isinstance(one, str) else one for one in request.inputs]
    for spec in specs:
        if spec.name or spec.free or spec.values:
            raise AskedError(
                f"--input {spec}: of a Cell, sizes and an element type are said; its inputs have the names "
                "that `construct` gives them, and the leading axis is the free one"
            )
    return result_of(
        lambda: convert_cell(
            cell,
            specs,
            output,
            checkpoint=request.checkpoint,
            opset=request.opset,
            check=request.check,
            progress=progress,
        )
    )
