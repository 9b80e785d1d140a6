"""The ONNX file that triport writes: what it holds, and what is checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triport.reference_models.errors import TriportError, listed
from triport.reference_models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import onnx

INPUT = "input"
LOGITS = "logits"
BATCH_AXIS = "N"
OPSETS = range(13, 22)
DEFAULT_OPSET = 17
# the IR version of the ONNX release that brought the opset: older runtimes refuse newer ones
IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


class OnnxExportError(TriportError):
    """An exported graph is not what it must be; a fault of triport's, or of an exporter's."""


def with_parameters(model: onnx.ModelProto, parameters: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Put the parameters' bytes into the model's initializers of the same names.

    Raises:
        OnnxExportError: the initializers are not exactly the parameters (small constants apart).
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    problems = [f"{name}: not in the graph" for name in parameters if name not in initializers]
    for name, tensor in initializers.items():
        if name not in parameters:
            if len(tensor.dims) > 1:
                problems.append(f"{name}: in the graph, but no parameter")
            continue
        array = parameters[name]
        if tuple(tensor.dims) != array.shape:
            problems.append(f"{name}: {tuple(tensor.dims)} in the graph, parameter {array.shape}")
            continue
        tensor.ClearField("float_data")
        tensor.raw_data = array.astype("<f4", copy=False).tobytes()
    if problems:
        raise OnnxExportError(
            f"the exported graph's initializers differ from the parameters:\n{listed(problems)}"
        )
    return model


def finished(model: onnx.ModelProto, spec: ModelSpec, num_classes: int, opset: int) -> onnx.ModelProto:
    """Return the model with its names, versions and shapes in order, checked.

    Raises:
        OnnxExportError: `onnx.checker` or strict shape inference refuses it, its input or output
            is not as promised, or its batch axis is not free.
    """
    import onnx

    model.ir_version = IR_VERSIONS[opset]
    model.producer_name = "triport"
    model.graph.name = spec.name
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
    problems = []
    default = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if default != [opset] or len(model.opset_import) != 1:
        problems.append(
            f"opset imports {[(e.domain, e.version) for e in model.opset_import]}, expected {opset}"
        )
    size = spec.input_size_px
    for values, name, dims in (
        (model.graph.input, INPUT, (3, size, size)),
        (model.graph.output, LOGITS, (num_classes,)),
    ):
        found = {value.name: value.type.tensor_type for value in values}
        if list(found) != [name]:
            problems.append(f"expected only {name!r}, found {list(found)}")
            continue
        shape = found[name].shape
        if tuple(d.dim_value for d in shape.dim[1:]) != dims or shape.dim[0].dim_param != BATCH_AXIS:
            problems.append(f"{name}: expected (N, {', '.join(map(str, dims))}), found {shape}")
    if not problems:
        try:
            onnx.checker.check_model(model, full_check=True)
            inferred = onnx.shape_inference.infer_shapes(
                model, check_type=True, strict_mode=True, data_prop=True
            )
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            problems.append(str(error))
        else:
            batch = inferred.graph.output[0].type.tensor_type.shape.dim[0]
            if batch.dim_param != BATCH_AXIS:
                problems.append(
                    f"shape inference finds the output's batch axis {batch}, expected {BATCH_AXIS}"
                )
    if problems:
        raise OnnxExportError(f"{spec.name}: the exported ONNX model is not right:\n{listed(problems)}")
    return model


def set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Write `metadata_props`, sorted by key."""
    for key, value in sorted(metadata.items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
