"""A node whose inputs are all constants, computed while the graph is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from .graph import TensorType

MAX_FOLDED = 1 << 20  # elements that may be computed


def fold(
    op_type: str,
    arrays: Sequence[np.ndarray | None],
    types: Sequence[TensorType],
    attributes: Mapping[str, Any],
    opset: int,
) -> list[np.ndarray] | None:
    """Return a node's results, None where they are not what was traced or cannot be computed here.

    Args:
        op_type: of ONNX's default domain.
        arrays: its inputs, None where one is left out.
        types: what it returns.
        attributes: by name.
        opset: of the graph.
    """
    if sum(math.prod(type_.shape) for type_ in types) > MAX_FOLDED:
        return None
    names = [f"i{index}" if array is not None else "" for index, array in enumerate(arrays)]
    outputs = [f"o{index}" for index in range(len(types))]
    feeds = {name: array for name, array in zip(names, arrays, strict=True) if name}
    graph = helper.make_graph(
        [helper.make_node(op_type, names, outputs, **attributes)],
        "folded",
        [],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in feeds.items()],
    )
    model = helper.make_model_gen_version(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        if not _have_shapes(model, types):
            return None
        results = ReferenceEvaluator(model).run(None, {})
    except Exception:  # an operator that the evaluator lacks: computed where the model runs
        return None
    arrays_made = list(map(np.asarray, results))
    for result, type_ in zip(arrays_made, types, strict=True):
        dtype = helper.tensor_dtype_to_np_dtype(type_.elem_type)
        if result.shape != type_.shape or result.dtype != dtype:
            return None
    return arrays_made


def _have_shapes(model: onnx.ModelProto, types: Sequence[TensorType]) -> bool:
    """Return whether the outputs are as large as stated: what is damaged could make a huge result."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    for value, type_ in zip(inferred.graph.output, types, strict=True):
        dims = value.type.tensor_type.shape.dim
        if tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims) != type_.shape:
            return False
    return True
