"""Whether an ONNX file of a folder is whole and valid, whoever's network it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from triport.converters.formats import short

if TYPE_CHECKING:
    import onnx


def graph_problems(name: str, model: onnx.ModelProto) -> Iterator[str]:
    """Yield what is wrong with a graph, which must have all its data within."""
    import onnx

    if any(tensor.data_location for tensor in model.graph.initializer):
        yield f"{name}: takes data from another file"
        return
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield f"{name}: {short(str(error).splitlines()[0], 300)}"
