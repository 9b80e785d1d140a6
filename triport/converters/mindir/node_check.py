"""Every node that is written, checked at once: ONNX must take its arguments and infer what the file states.

So a file whose types or arguments contradict each other is refused at the operator where they do, and a
converter that writes another shape than MindSpore traced is found out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import helper, numpy_helper

from triport.converters.formats.tensors import short

from .graph import TensorType

MAX_DATA = 1024  # elements of a constant that inference may look into: shapes, axes, bounds
MAX_REASON = 200  # characters of ONNX's own message


class _Value(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def type(self) -> TensorType: ...


def find_contradiction(
    node: onnx.NodeProto,
    inputs: Sequence[_Value | None],
    outputs: Sequence[_Value],
    arrays: Mapping[str, np.ndarray],
    opset: int,
) -> str | None:
    """Return what ONNX says against a node, None if it infers the outputs' types."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset)
    except onnx.defs.SchemaError:
        return f"opset {opset} has no {node.op_type}"
    types = {value.name: _describe(value.type) for value in inputs if value}
    data = {
        name: numpy_helper.from_array(np.ascontiguousarray(arrays[name]), name)
        for name in types
        if name in arrays and arrays[name].size <= MAX_DATA
    }
    try:
        inferred: dict[str, Any] = onnx.shape_inference.infer_node_outputs(
            schema, node, types, data, opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"ONNX's {node.op_type} does not take its arguments: {short(lines[0], MAX_REASON)}"
    for value in outputs:
        found = inferred.get(value.name)
        if found is not None and not _agrees(found, value.type):
            return (
                f"ONNX's {node.op_type} would give {_say(found)}, and {_say(_describe(value.type))} "
                "is stated: the file contradicts itself, or triport writes this operator wrongly"
            )
    return None


def _describe(type_: TensorType) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(
        type_.elem_type, [size if size >= 0 else None for size in type_.shape]
    )


def _agrees(found: onnx.TypeProto, stated: TensorType) -> bool:
    """Return whether an inferred type is the stated one, as far as it is known."""
    tensor = found.tensor_type
    if tensor.elem_type and tensor.elem_type != stated.elem_type:
        return False
    if not tensor.HasField("shape"):
        return True
    dims = tensor.shape.dim
    return len(dims) == len(stated.shape) and all(
        not dim.HasField("dim_value") or dim.dim_value == size
        for dim, size in zip(dims, stated.shape, strict=True)
    )


def _say(type_: onnx.TypeProto) -> str:
    tensor = type_.tensor_type
    sizes = [str(dim.dim_value) if dim.HasField("dim_value") else "?" for dim in tensor.shape.dim]
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    return short(f"{name} ({', '.join(sizes)})")
