"""PyTorch -> ONNX through torch.onnx: unfolded, every parameter under its state-dict name.

The TorchScript exporter is used, with `TrainingMode.PRESERVE` on a network in evaluation mode:
it writes BatchNormalization nodes that keep their four tensors, opsets 13 to 20 directly, one
node per layer. The newer exporter writes opset 18 at the lowest, 2.5 times as many nodes, and
takes four times as long. The exporter merges equal tensors, so the graph is traced with
distinct random values and the real ones are put in afterwards.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from triport.converters.environment import import_torch
from triport.converters.onnx_model import INPUT, LOGITS, finished, with_parameters
from triport.reference_models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import onnx

NEWEST_DIRECT_OPSET = 20  # newer ones by onnx.version_converter

FRAMEWORK = "PyTorch"


def export(
    spec: ModelSpec, num_classes: int, parameters: Mapping[str, np.ndarray], *, opset: int = 17
) -> onnx.ModelProto:
    """Return the PyTorch definition as an ONNX model with these parameters.

    Args:
        spec: the model.
        num_classes: outputs of the head.
        parameters: canonical name -> float32 array, every parameter and buffer; put in bit for bit.
        opset: of the default domain, 13 to 21.

    Returns:
        A checked model: input `input` (N, 3, H, W), output `logits` (N, num_classes), N free.
    """
    import onnx
    from onnx import version_converter

    torch = import_torch()
    net = spec.build_torch(num_classes).eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # of the exporter's age, and of sizes that the trace takes as constants (they are)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, spec.input_size_px, spec.input_size_px),),
            buffer,
            dynamo=False,
            opset_version=min(opset, NEWEST_DIRECT_OPSET),
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=True,
            input_names=[INPUT],
            output_names=[LOGITS],
            dynamic_axes={INPUT: {0: "N"}, LOGITS: {0: "N"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    model = _with_folded_constants(model)
    if opset > NEWEST_DIRECT_OPSET:
        model = version_converter.convert_version(model, opset)
    return finished(with_parameters(model, parameters), spec, num_classes, opset)


def _with_folded_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the nodes that compute the pads of a Pad node from constants."""
    import onnx_ir as ir
    import onnxscript.optimizer

    graph = ir.from_proto(model)
    onnxscript.optimizer.fold_constants(graph, should_fold=lambda node: True)
    onnxscript.optimizer.remove_unused_nodes(graph)
    return ir.to_proto(graph)
