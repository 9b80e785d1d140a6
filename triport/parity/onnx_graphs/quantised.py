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
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    ends = [node.input[:2] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    return any(
        # of a weight, for more than one channel, and with a single step
        len(shapes.get(given, ())) > 1 and shapes[given][0] > 1 and np.prod(shapes.get(step, (0,))) == 1
        for given, step in ends
    )


def without_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return what a quantised model would be without QuantizeLinear and DequantizeLinear.

    It is to be looked into and not to be run. Its tensors are the model's, except that a layer reads what was
    rounded for it, and that weights are float32 again, under the names that they had before ONNX Runtime's
    quantiser renamed them.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    plain = onnx.ModelProto(
        ir_version=model.ir_version,
        opset_import=model.opset_import,
        graph=onnx.GraphProto(name=model.graph.name, input=model.graph.input, output=model.graph.output),
    )
    seen: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            given = [onnx.numpy_helper.to_array(tensors[name]) for name in node.input if name in tensors]
            name = rounded.get(node.input[0])
            if name is None and len(given) == len(node.input):
                name = node.output[0].removesuffix(_DEQUANTISED)
                standard = onnx.NodeProto()
                standard.CopyFrom(node)
                standard.domain = ""  # ONNX Runtime's own computes the same
                values: Any = ReferenceEvaluator(standard).run(
                    None, dict(zip(node.input, given, strict=True))
                )
                plain.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values[0]), name))
            if name is not None:
                seen[node.output[0]] = seen.get(name, name)
                continue
        if node.op_type != "QuantizeLinear":
            copy = plain.graph.node.add()
            copy.CopyFrom(node)
            copy.input[:] = [seen.get(name, name) for name in node.input]
    used = {name for node in plain.graph.node for name in node.input}
    plain.graph.initializer.extend(tensor for name, tensor in tensors.items() if name in used)
    return plain
