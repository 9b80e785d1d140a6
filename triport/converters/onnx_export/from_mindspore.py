"""MindSpore -> ONNX: the MindSpore definition, by way of the MindIR that MindSpore exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triport.converters.environment import import_mindspore
from triport.converters.mindir.export import mindir_without_values, onnx_from_mindir
from triport.converters.names import name_map, reference_dialect
from triport.reference_models.spec import ModelSpec

from .exporter import Exporter
from .written_model import finished

if TYPE_CHECKING:
    import onnx


def _trace(spec: ModelSpec, num_classes: int, opset: int) -> onnx.ModelProto:
    import_mindspore()
    cell = spec.build_mindspore(num_classes).set_train(False)
    names = name_map(spec, reference_dialect(spec, "mindspore"))
    canonical = {theirs: ours for ours, theirs in names.items()}
    shapes = {canonical[one.name]: tuple(one.shape) for one in cell.get_parameters() if one.name in canonical}
    mindir = mindir_without_values(cell, (1, 3, spec.input_size_px, spec.input_size_px))
    _free_parameters(cell)
    model = onnx_from_mindir(mindir, opset=opset, rename=canonical, has_values=False)
    return finished(model, spec, num_classes, opset, shapes)


def _free_parameters(cell: Any) -> None:
    """Free the memory of a Cell's parameters, which is needed no more: MindSpore keeps the Cell."""
    import mindspore

    nothing = mindspore.Tensor([0.0], mindspore.float32)
    for parameter in cell.get_parameters():
        parameter.set_data(nothing, slice_shape=True)


FROM_MINDSPORE = Exporter("MindSpore", _trace)
