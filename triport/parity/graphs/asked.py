"""A graph that was asked for: converted, proven, and kept if it is equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from triport.converters.mindir.asked import OF_WEIGHTS, AskedError
from triport.converters.networks.factories import Made
from triport.converters.networks.input_specs import InputSpec, spec_of
from triport.converters.request import ConvertRequest

from .convert import convert_cell, convert_mindir
from .result import AnyConversion, result_of


def convert_asked(
    source: Path | None, request: ConvertRequest, progress: Callable[[str], None]
) -> AnyConversion:
    """Convert the graph that was asked for.

    Raises:
        TriportError: it makes no sense, or cannot be converted.
    """
    cell, output = request.cell, request.output
    what = f"{source}" if cell is None else cell.net.text if isinstance(cell, Made) else "--cell"
    if request.to != "onnx":
        raise AskedError(
            f"{what}: is a graph, which --to onnx writes as a file, and --to {request.to} as source "
            f"into the folder that -o DIR names"
        )
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
    specs = list(map(spec_of, request.inputs))
    for spec in specs:
        if spec.name or spec.free or spec.values:
            raise AskedError(
                f"--input {spec}: of a Cell, sizes and an element type are said; its inputs have the names "
                "that `construct` gives them, the leading axis is the free one, and the graph says which "
                f"whole numbers go in: write --input {InputSpec(spec.shape, spec.dtype)}"
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
