"""Shapes and element types of a graph's values, inferred without touching its weights."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir
from onnx import helper

from triport.converters.graphs.inferable import make_inferable

Sizes = list[int | str | None]


def infer(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return the graph with all shapes inferred from its inputs'; the parameters are inputs there.

    Raises:
        onnx.shape_inference.InferenceError: the shapes contradict each other.
    """
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.graph.name = model.graph.name
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:  # the shapes alone: weights need not be copied
        bare.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for output in model.graph.output:
        bare.graph.output.append(onnx.ValueInfoProto(name=output.name))
    return _infer(bare)


def infer_unweighted(model: ir.Model) -> onnx.GraphProto:
    """Return the same of a graph that is not written yet.

    Raises:
        onnx.shape_inference.InferenceError: the shapes contradict each other.
    """
    graph = model.graph
    opsets = [helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=opsets)
    bare.graph.name = graph.name or ""
    bare.graph.node.extend(ir.to_proto(node) for node in graph)
    bare.graph.input.extend(ir.to_proto(value) for value in (*graph.inputs, *graph.initializers.values()))
    bare.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in graph.outputs)
    return _infer(bare)


def _infer(bare: onnx.ModelProto) -> onnx.GraphProto:
    make_inferable(bare.graph)
    try:
        return onnx.shape_inference.infer_shapes(bare, strict_mode=True, data_prop=True).graph
    except onnx.shape_inference.InferenceError:
        # onnx 1.23's data propagation takes some products of vectors for wrong: try without
        return onnx.shape_inference.infer_shapes(bare, strict_mode=True).graph


def iterate_types(graph: onnx.GraphProto) -> Iterator[tuple[str, int, Sizes]]:
    """Yield name, element type and sizes of each value; an unknown size is None, a free one its name."""
    for value in (*graph.input, *graph.value_info, *graph.output):
        type_ = value.type.tensor_type
        sizes = [
            dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else None) for dim in type_.shape.dim
        ]
        yield value.name, type_.elem_type, sizes
