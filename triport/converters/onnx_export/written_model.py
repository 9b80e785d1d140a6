"""The ONNX file that triport writes: what it holds, and what is checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triport.reference_models.errors import TriportError, counted, listed
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
    """Return a traced graph with its parameters in it, as initializers of the same names.

    Args:
        model: what `finished` returned; it is changed.
        parameters: canonical name -> float32 array; put in bit for bit.
    """
    constants = list(model.graph.initializer)
    del model.graph.initializer[:]
    for declared in take_declared(model):
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(declared)
        tensor.raw_data = parameters[declared.name].astype("<f4", copy=False).tobytes()
    model.graph.initializer.extend(constants)
    return model


def take_declared(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Take the parameters out of a traced graph's inputs: each as a tensor with a type and no values."""
    import onnx

    declared = []
    for value in model.graph.input:
        if value.name != INPUT:
            dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            declared.append(
                onnx.TensorProto(name=value.name, dims=dims, data_type=value.type.tensor_type.elem_type)
            )
    kept = [value for value in model.graph.input if value.name == INPUT]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    return declared


def finished(
    model: onnx.ModelProto,
    spec: ModelSpec,
    num_classes: int,
    opset: int,
    shapes: Mapping[str, tuple[int, ...]],
) -> onnx.ModelProto:
    """Return a traced graph, whose parameters are inputs, with its names and versions in order, checked.

    A graph without weights is small, so checking it costs the same for a model of any size.

    Raises:
        OnnxExportError: `onnx.checker` or strict shape inference refuses it, its inputs are not the images
            and exactly the parameters, its output is not as promised, or its batch axis is not free.
    """
    model.ir_version = IR_VERSIONS[opset]
    model.producer_name = "triport"
    model.graph.name = spec.name
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
    problems = _version_problems(model, opset) + _parameter_problems(model, shapes)
    problems += _signature_problems(model, spec.input_size_px, num_classes)
    problems = problems or _graph_problems(model)
    if problems:
        raise OnnxExportError(f"{spec.name}: the exported ONNX model is not right:\n{listed(problems)}")
    return model


def _version_problems(model: onnx.ModelProto, opset: int) -> list[str]:
    default = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if default == [opset] and len(model.opset_import) == 1:
        return []
    return [f"opset imports {[(e.domain, e.version) for e in model.opset_import]}, expected {opset}"]


def _parameter_problems(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    found = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
        if value.name != INPUT
    }
    problems = [f"{name}: not in the graph" for name in shapes if name not in found]
    problems += [f"{name}: in the graph, but no parameter" for name in found if name not in shapes]
    problems += [
        f"{tensor.name}: in the graph, but no parameter"
        for tensor in model.graph.initializer
        if len(tensor.dims) > 1
    ]
    return problems + [
        f"{name}: {found[name]} in the graph, parameter {shape}"
        for name, shape in shapes.items()
        if found.get(name, shape) != shape
    ]


def _signature_problems(model: onnx.ModelProto, size_px: int, num_classes: int) -> list[str]:
    problems = []
    for values, name, dims in (
        (model.graph.input, INPUT, (3, size_px, size_px)),
        (model.graph.output, LOGITS, (num_classes,)),
    ):
        found = {value.name: value.type.tensor_type for value in values}
        if name not in found:
            problems.append(f"expected {name!r}, found {list(found)[:3]}")
            continue
        shape = found[name].shape
        if tuple(d.dim_value for d in shape.dim[1:]) != dims or shape.dim[0].dim_param != BATCH_AXIS:
            problems.append(f"{name}: expected (N, {', '.join(map(str, dims))}), found {shape}")
    if len(model.graph.output) != 1:
        problems.append(f"{counted(len(model.graph.output), 'output')}, expected one")
    return problems


def _graph_problems(model: onnx.ModelProto) -> list[str]:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return [str(error)]
    batch = inferred.graph.output[0].type.tensor_type.shape.dim[0]
    if batch.dim_param == BATCH_AXIS:
        return []
    return [f"shape inference finds the output's batch axis {batch}, expected {BATCH_AXIS}"]


def set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Write `metadata_props`, sorted by key."""
    for key, value in sorted(metadata.items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
