"""MindSpore -> ONNX: the MindSpore definition, by way of the MindIR that MindSpore exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triport.converters.environment import import_mindspore
from triport.converters.mindir.export import mindir_without_values, onnx_from_mindir
from triport.converters.names import name_map, reference_dialect
from triport.reference_models.spec import ModelSpec

from .exporter import Exporter
from .written_model import DEFAULT_OPSET, finished

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class Traced:
    """A definition's MindIR without values, and the shapes of its parameters by canonical name."""

    mindir: bytes
    shapes: Mapping[str, tuple[int, ...]]


def traced(spec: ModelSpec, cell: Any) -> Traced:
    """Return what MindSpore makes of a model's Cell: all that needs MindSpore."""
    canonical = _canonical_names(spec)
    shapes = {canonical[one.name]: tuple(one.shape) for one in cell.get_parameters() if one.name in canonical}
    return Traced(mindir_without_values(cell, (1, 3, spec.input_size_px, spec.input_size_px)), shapes)


def onnx_of(found: Traced, spec: ModelSpec, num_classes: int, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """Return a traced definition as ONNX; MindSpore is not needed, and where it is loaded this is slow.

    With MindSpore in the process protobuf is written in Python, and this takes ten times as long.
    """
    names = _canonical_names(spec)
    model = onnx_from_mindir(found.mindir, opset=opset, rename=names, has_values=False)
    return finished(model, spec, num_classes, opset, found.shapes)


def _canonical_names(spec: ModelSpec) -> dict[str, str]:
    names = name_map(spec, reference_dialect(spec, "mindspore"))
    return {theirs: ours for ours, theirs in names.items()}


def _trace(spec: ModelSpec, num_classes: int, opset: int) -> onnx.ModelProto:
    import_mindspore()
    cell = spec.build_mindspore(num_classes).set_train(False)
    found = traced(spec, cell)
    _free_parameters(cell)
    return onnx_of(found, spec, num_classes, opset)


def _free_parameters(cell: Any) -> None:
    """Free the memory of a Cell's parameters, which is needed no more: MindSpore keeps the Cell."""
    import mindspore

    nothing = mindspore.Tensor([0.0], mindspore.float32)
    for parameter in cell.get_parameters():
        parameter.set_data(nothing, slice_shape=True)


FROM_MINDSPORE = Exporter("MindSpore", _trace)
