"""int8 in ONNX: a model as ONNX Runtime quantises it, and a quantised one seen without its roundings.

The convolutions and dense layers are quantised as Ascend's tools do it: weights by output channel, what a
layer is given by tensor, what it returns not at all.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from triport.reference_models.kinds import KINDS
from triport.reference_models.network import Arrays

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

QUANTISED_OPS = [op_type for kind in KINDS.values() if kind.quantised for op_type in kind.onnx]
_DEQUANTISED = "_DequantizeLinear_Output"
_OPS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
_INTEGER_OPS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether some of a model is computed in integers."""
    return any(node.op_type in _OPS | _INTEGER_OPS for node in model.graph.node)


def has_integer_layers(model: onnx.ModelProto) -> bool:
    """Whether layers are operators on integers, and not float ones between roundings."""
    return any(node.op_type in _INTEGER_OPS for node in model.graph.node)


def is_quantised_file(path: Path) -> bool:
    """Whether some of an ONNX file's model is computed in integers."""
    import onnx

    return is_quantised(onnx.load(path, load_external_data=False))


def quantised(model: onnx.ModelProto, feed: Arrays, *, per_channel: bool = True) -> onnx.ModelProto:
    """Return a float32 model in int8.

    Args:
        model: left as it is.
        feed: its inputs by name, from which the ranges of the activations are taken.
        per_channel: whether each output channel's weights have a step of their own.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Batch(CalibrationDataReader):
        def __init__(self) -> None:
            self._feeds = iter([dict(feed)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._feeds, None)

    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    # or it advises on standard error to fold BatchNorm first, which would take the layers' names
    marked.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            marked,
            path,
            Batch(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED_OPS,
            per_channel=per_channel,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": QUANTISED_OPS},
        )
        return onnx.load(path)


def has_one_step_for_a_layer(model: onnx.ModelProto) -> bool:
    """Whether a layer's weights are quantised with one step, and not with one for each output channel."""
    import onnx_ir as ir

    ends = [node.inputs[:2] for node in ir.from_proto(model).graph if node.op_type == "DequantizeLinear"]
    return any(_is_of_channels(given) and _size(step) == 1 for given, step in ends)


def _is_of_channels(weight: ir.Value | None) -> bool:
    """Whether a value is a weight for more than one channel."""
    if weight is None or weight.const_value is None:
        return False
    shape = weight.const_value.shape.numpy()
    return len(shape) > 1 and shape[0] > 1


def _size(step: ir.Value | None) -> int | None:
    """Return how many steps an initializer has."""
    return None if step is None or step.const_value is None else step.const_value.size


def without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return what a quantised model would be without QuantizeLinear and DequantizeLinear.

    It is to be looked into and not to be run. Its tensors are the model's, except that a layer reads what was
    rounded for it, and that weights are float32 again, under the names that they had before ONNX Runtime's
    quantiser renamed them.
    """
    import onnx_ir as ir

    plain = ir.from_proto(model)
    graph = plain.graph
    for node in list(graph):
        if node.op_type == "DequantizeLinear" and (found := _unrounded(graph, node)) is not None:
            node.outputs[0].replace_all_uses_with(found, replace_graph_outputs=True)
            graph.remove(node, safe=True)
    for node in list(graph):
        if node.op_type == "QuantizeLinear" and not node.outputs[0].uses():
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    return ir.to_proto(plain)


def _unrounded(graph: ir.Graph, node: ir.Node) -> ir.Value | None:
    """Return what a DequantizeLinear gives back: what was rounded for it, or a weight; None where neither."""
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    given = [value for value in node.inputs if value is not None]
    maker = given[0].producer()
    if maker is not None and maker.op_type == "QuantizeLinear":
        return maker.inputs[0]
    if any(value.const_value is None or value.producer() is not None for value in given):
        return None
    standard = ir.to_proto(node)
    standard.domain = ""  # ONNX Runtime's own computes the same
    feed = {str(value.name): value.const_value.numpy() for value in given if value.const_value is not None}
    values: Any = ReferenceEvaluator(standard).run(None, feed)
    name = str(node.outputs[0].name).removesuffix(_DEQUANTISED)
    array = np.asarray(values[0])
    tensor = ir.tensor(array, name=name)
    weight = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor
    )
    graph.register_initializer(weight)
    return weight
