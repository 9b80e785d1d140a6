"""What onnx's inference leaves open, followed from node to node in the order in which they run.

Each value that sizes decide shows the shape of what it shapes, which shows the sizes that come after it: in
one pass all of them are found, where onnx, asked for the whole graph, gets from one such place to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .facts import Facts, Size, inner_graphs
from .ranks import is_more, shape_of

_INT64, _FLOAT = 7, 1
_MOST_NUMBERS = 64


def follow(
    proto: Any, found: Any, facts: Facts, known: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], bool]:
    """Return the int64 values that sizes decide and that are not known yet, and whether a shape was stated.

    Args:
        proto: the model, which the shapes of what is reshaped to a computed shape are stated in.
        found: the model with what onnx infers.
        facts: of it, which what is found is added to.
        known: values that are known already.
    """
    import onnx

    stated = {each.name: each for each in proto.graph.value_info}
    values: dict[str, np.ndarray] = {}
    added = False
    for node in found.graph.node:
        if node.op_type == "Constant":
            continue
        info = _shaped(node, facts)
        if info is not None and stated.get(info.name) != info:
            if info.name in stated:
                proto.graph.value_info.remove(stated[info.name])
            proto.graph.value_info.append(info)
            stated[info.name], added = info, True
        if any(name and _is_open(facts.shape(name)) for name in node.output):
            for name, kind in _by_onnx(node, facts).items():
                shape = [facts.size(dim) for dim in kind.tensor_type.shape.dim]
                if kind.tensor_type.HasField("shape") and is_more(shape, facts.shape(name)):
                    facts.state(onnx.ValueInfoProto(name=name, type=kind))
        name = node.output[0] if len(node.output) == 1 else ""
        if name and name not in known and facts.kind(name) == _INT64:
            value = facts.value(name)
            if value is not None and value.ndim <= 1 and all(type(n) is int for n in value.reshape(-1)):
                values[name] = value.astype(np.int64)
    return values, added


def says_more(facts: Facts, before: Facts) -> bool:
    """Return whether facts have a size, a rank or a dtype that others, of the same nodes, have not."""
    for name, info in facts.infos.items():
        other = before.infos.get(name)
        if other is None:
            return True
        if info == other:
            continue
        shape = facts.shape(name)
        if facts.kind(name) != before.kind(name) or (
            shape is not None and is_more(shape, before.shape(name))
        ):
            return True
    return False


def _shaped(node: Any, facts: Facts) -> Any:
    """Return the output of what a computed shape shapes, None if no more of it is known than before."""
    import onnx

    shape = shape_of(node, facts)
    kind = facts.kind(node.output[0]) if shape is not None else 0
    if shape is None or not kind or not is_more(shape, facts.shape(node.output[0])):
        return None
    info = onnx.helper.make_tensor_value_info(node.output[0], kind, shape)
    facts.state(info)
    return info


def _is_open(shape: list[Size] | None) -> bool:
    """Return whether a size of a tensor, or its rank, is not known."""
    return shape is None or None in shape


def _by_onnx(node: Any, facts: Facts) -> dict[str, Any]:
    """Return the types of a node's outputs as onnx infers them, none where its inputs are not known."""
    import onnx

    types = {name: facts.type_of(name) for name in node.input if name}
    if None in types.values() or inner_graphs(node) or node.domain not in ("", "ai.onnx"):
        return {}
    numbers = {name: tensor for name in types if (tensor := _numbers(name, facts)) is not None}
    try:
        schema = onnx.defs.get_schema(node.op_type, facts.opset, "")
        return onnx.shape_inference.infer_node_outputs(
            schema, node, types, numbers, opset_imports=[facts.opset_import]
        )
    except Exception:  # the whole graph's inference says what is wrong
        return {}


def _numbers(name: str, facts: Facts) -> Any:
    """Return a short list of numbers that is known as a tensor, None if it is not."""
    import onnx

    kind = facts.kind(name)
    value = facts.value(name) if kind in (_INT64, _FLOAT) else None
    if value is None or value.ndim > 1 or value.size > _MOST_NUMBERS:
        return None
    if any(not isinstance(each, int | float) for each in value.reshape(-1)):
        return None
    return onnx.numpy_helper.from_array(value.astype(np.int64 if kind == _INT64 else np.float32), name)
