"""PyTorch -> ONNX through torch.onnx: unfolded, every parameter under its state-dict name.

The TorchScript exporter is used, with `TrainingMode.PRESERVE` on a network in evaluation mode:
it writes BatchNormalization nodes that keep their four tensors, opsets 13 to 20 directly, one
node per layer. The newer exporter writes opset 18 at the lowest, 2.5 times as many nodes, and
takes four times as long. Parameters are traced as inputs, so that none is copied; the exporter merges
equal tensors, so each is traced with a value of its own, which stands in memory once for all of its places.
"""

from __future__ import annotations

import io
import itertools
import warnings
from typing import TYPE_CHECKING, Any

from triport.converters.environment import import_torch, uncollected
from triport.converters.names import COUNTER_LEAF
from triport.converters.versions.torch_onnx import by_torchscript, newest_opset_of_torchscript
from triport.reference_models.spec import ModelSpec

from .exporter import Exporter
from .written_model import INPUT, LOGITS, finished

if TYPE_CHECKING:
    import onnx


def _trace(spec: ModelSpec, num_classes: int, opset: int) -> onnx.ModelProto:
    import onnx
    from onnx import version_converter

    torch = import_torch()
    with torch.device("meta"):
        net = spec.build_torch(num_classes).eval()
    _give_single_values(net)
    buffer, newest = io.BytesIO(), newest_opset_of_torchscript(torch)
    with warnings.catch_warnings():
        # of the exporter's age, and of sizes that the trace takes as constants (they are)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, spec.input_size_px, spec.input_size_px),),
            buffer,
            opset_version=min(opset, newest),
            training=torch.onnx.TrainingMode.PRESERVE,
            export_params=False,
            do_constant_folding=True,
            input_names=[INPUT],
            output_names=[LOGITS],
            dynamic_axes={INPUT: {0: "N"}, LOGITS: {0: "N"}},
            **by_torchscript(torch),
        )
    model = _with_folded_constants(onnx.load_from_string(buffer.getvalue()))
    if opset > newest:  # by onnx.version_converter
        model = version_converter.convert_version(model, opset)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in net.state_dict().items()
        if not name.endswith(COUNTER_LEAF)
    }
    return finished(model, spec, num_classes, opset, shapes)


def _give_single_values(net: Any) -> None:
    """Give each tensor of a network without values one of its own, seen at all of its places."""
    torch = import_torch()
    values = (1 + count / 2048 for count in itertools.count())
    for module in net.modules():
        for table, made in ((module._parameters, torch.nn.Parameter), (module._buffers, torch.Tensor)):
            for name, tensor in table.items():
                if tensor is not None:
                    value = torch.tensor(next(values), dtype=tensor.dtype).expand(tensor.shape)
                    table[name] = made(value, requires_grad=False) if made is torch.nn.Parameter else value


def _with_folded_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the nodes that compute the pads of a Pad node from constants."""
    with uncollected():
        import onnx_ir as ir
        import onnxscript.optimizer

    graph = ir.from_proto(model)
    onnxscript.optimizer.fold_constants(graph, should_fold=lambda node: True)
    onnxscript.optimizer.remove_unused_nodes(graph)
    return ir.to_proto(graph)


FROM_TORCH = Exporter("PyTorch", _trace)
