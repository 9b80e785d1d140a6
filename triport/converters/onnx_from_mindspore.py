"""MindSpore -> ONNX: the MindSpore definition, by way of the MindIR that MindSpore exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triport.converters.environment import import_mindspore
from triport.converters.mindir.export import mindir_bytes_from_cell, onnx_from_mindir
from triport.converters.names import name_map, reference_dialect
from triport.converters.onnx_model import finished, with_parameters
from triport.reference_models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import onnx

FRAMEWORK = "MindSpore"


def export(
    spec: ModelSpec, num_classes: int, parameters: Mapping[str, np.ndarray], *, opset: int = 17
) -> onnx.ModelProto:
    """Return the MindSpore definition as an ONNX model with these parameters.

    Args:
        spec: the model.
        num_classes: outputs of the head.
        parameters: canonical name -> float32 array, every parameter and buffer; put in bit for bit.
        opset: of the default domain, 13 to 21.

    Returns:
        A checked model: input `input` (N, 3, H, W), output `logits` (N, num_classes), N free.
    """
    import_mindspore()
    cell = spec.build_mindspore(num_classes).set_train(False)
    mindir = mindir_bytes_from_cell(cell, (1, 3, spec.input_size_px, spec.input_size_px))
    names = name_map(spec, reference_dialect(spec, "mindspore"))
    rename = {theirs: canonical for canonical, theirs in names.items()}
    model = onnx_from_mindir(mindir, opset=opset, rename=rename)
    return finished(with_parameters(model, parameters), spec, num_classes, opset)
