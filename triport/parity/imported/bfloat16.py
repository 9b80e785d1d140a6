"""A graph in bfloat16 as ONNX Runtime can run it: its CPU multiplies none of that type.

Each node computes in float32, and what it makes of bfloat16 is rounded to that at once, as the type has it;
inside a node of several steps nothing is rounded, as frameworks have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from triport.converters.onnx_import.subgraphs import graphs_in

BFLOAT16_ARRAY = np.dtype(ml_dtypes.bfloat16)


def rounded_in_float32(path: Path | bytes) -> tuple[bytes, frozenset[int]] | None:
    """Return a file with float32 in the place of bfloat16, its values rounded, and which outputs were of it.

    None where it has no bfloat16.
    """
    import onnx

    model = onnx.load_from_string(path) if isinstance(path, bytes) else onnx.load(path)
    typed = onnx.shape_inference.infer_shapes(model)
    outputs = typed.graph.output
    narrow = _narrow_names(typed.graph)
    asked = frozenset(i for i, value in enumerate(outputs) if value.name in narrow)
    graphs = list(zip(graphs_in(model.graph), graphs_in(typed.graph), strict=True))
    changed = [_rewrite(graph, _narrow_names(found)) for graph, found in graphs]
    return (model.SerializeToString(), asked) if any(changed) else None


def _narrow_names(graph: Any) -> set[str]:
    import onnx

    values = (*graph.input, *graph.output, *graph.value_info)
    return {v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16}


def _rewrite(graph: Any, narrow: set[str]) -> bool:
    import onnx

    kind, wide = onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT
    tensors = [*graph.initializer]
    tensors += [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    held = [tensor for tensor in tensors if tensor.data_type == kind]
    for tensor in held:
        array = np.asarray(onnx.numpy_helper.to_array(tensor)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if value.name in narrow:
            value.type.tensor_type.elem_type = wide
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype", "output_dtype", "stash_type") and attribute.i == kind:
                attribute.i = wide
        made = [i for i, name in enumerate(node.output) if name in narrow]
        names = [node.output[i] for i in made]
        for i in made:
            node.output[i] = f"{node.output[i]}.unrounded"
        nodes.append(type(node).FromString(node.SerializeToString()))
        for name in names:
            make = onnx.helper.make_node
            nodes.append(make("Cast", [f"{name}.unrounded"], [f"{name}.rounded"], to=kind))
            nodes.append(make("Cast", [f"{name}.rounded"], [name], to=wide))
    del graph.node[:]
    graph.node.extend(nodes)
    return bool(held or narrow)
