"""The image size of a model's ONNX graph: another one than the model's own, or any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from triport.reference_models.errors import TriportError, counted, listed
from triport.reference_models.spec import ModelSpec, Preprocess

from .written_model import INPUT

if TYPE_CHECKING:
    import onnx

AXES = ("height", "width")
# how much larger than the model's own the two sizes are at which the graph must be the same; one is odd
_LARGER = (32, 33)


class SizeError(TriportError):
    """A graph is not the same for images of every size."""


def at_size(spec: ModelSpec, size_px: int | None) -> ModelSpec:
    """Return a model whose images have that size; its own where none is given."""
    return spec if size_px is None else replace(spec, input_size_px=size_px)


def prepared_at(preprocess: Preprocess, size_px: int) -> Preprocess:
    """Return how images are prepared for another size: as before, with the same share cut off."""
    resize_px = round(preprocess.resize_px * size_px / preprocess.crop_px)
    return replace(preprocess, resize_px=resize_px, crop_px=size_px)


def of_every_size(spec: ModelSpec, export: Callable[[ModelSpec], onnx.ModelProto]) -> onnx.ModelProto:
    """Return a model's graph with height and width free.

    It is exported at its own size and at two others, an even and an odd one, and must be the same graph, node
    by node and constant by constant: then nothing in it is of a size.

    Args:
        spec: the model.
        export: makes the graph of a model at its size.

    Raises:
        SizeError: the graphs differ; the message says where.
    """
    model = export(spec)
    for more in _LARGER:
        other = export(at_size(spec, spec.input_size_px + more))
        differences = list(_differences(model, other))
        if differences:
            raise SizeError(
                f"{spec.name}: its graph has the image size in it: at {spec.input_size_px} and "
                f"{spec.input_size_px + more} px {counted(len(differences), 'node')} or constants differ\n"
                f"{listed(differences)}\nGive the size that is wanted: --size {spec.input_size_px}"
            )
    for value in model.graph.input:
        if value.name == INPUT:
            for dim, axis in zip(value.type.tensor_type.shape.dim[2:], AXES, strict=True):
                dim.dim_param = axis
    return model


def _differences(model: onnx.ModelProto, other: onnx.ModelProto) -> Iterator[str]:
    """Yield what of two graphs differs but for the sizes that they state of their inputs and outputs."""
    if len(model.graph.node) != len(other.graph.node):
        yield f"{counted(len(model.graph.node), 'node')} and {len(other.graph.node)}"
        return
    for one, two in zip(model.graph.node, other.graph.node, strict=True):
        if one.SerializeToString(deterministic=True) != two.SerializeToString(deterministic=True):
            yield f"{one.op_type} {one.name or one.output[0]}"
    here, there = _constants(model), _constants(other)
    yield from (name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def _constants(model: onnx.ModelProto) -> Mapping[str, bytes]:
    return {one.name: one.SerializeToString(deterministic=True) for one in model.graph.initializer}
