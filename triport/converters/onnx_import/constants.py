"""Constant nodes as values that no node makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from triport.reference_models.errors import counted

_STANDARD = ("", "ai.onnx")
_KINDS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def put_among_initializers(graph: Any) -> set[str]:
    """Put what Constant nodes hold among a GraphProto's initializers, in place, and return their names.

    Those of inner graphs stay, for `keep_constants`, and those that hold text, or several values.
    """
    import onnx

    taken = {each.name for each in (*graph.input, *graph.initializer)} | {""}
    places = []
    for place, node in enumerate(graph.node):
        if node.op_type != "Constant" or node.domain not in _STANDARD or len(node.attribute) != 1:
            continue
        attribute, name = node.attribute[0], node.output[0] if node.output else ""
        if name in taken:
            continue
        if attribute.name == "value" and attribute.HasField("t"):
            graph.initializer.add().CopyFrom(attribute.t)
        elif attribute.name in _KINDS:
            array = np.array(onnx.helper.get_attribute_value(attribute), _KINDS[attribute.name])
            graph.initializer.add().CopyFrom(onnx.numpy_helper.from_array(array))
        else:
            continue
        graph.initializer[-1].name = name
        taken.add(name)
        places.append(place)
    names = {graph.node[place].output[0] for place in places}
    for place in reversed(places):
        del graph.node[place]
    return names


def keep_constants(graph: Any, names: set[str], holds_graphs: bool) -> None:
    """Let an ir.Graph's constants be values with a value, and no initializers, in inner graphs too.

    Args:
        graph: whose Constant nodes, if there still are any, give their outputs what they hold.
        names: of the initializers that are constants.
        holds_graphs: whether a node of it does.

    Raises:
        ValueError: a node has several values.
    """
    for name in names & graph.initializers.keys():
        graph.initializers.pop(name).meta["constant"] = True
    _keep_outputs(graph, holds_graphs)


def proto_of(model: Any) -> Any:
    """Return an ir.Model that was read as a ModelProto, whose constants are initializers."""
    import onnx_ir as ir

    graph = model.graph
    read = [value for node in graph.all_nodes() for value in node.inputs if value is not None]
    constants = {
        value.name: value
        for value in (*read, *graph.outputs)
        if value.meta.get("constant") and value.producer() is None
    }
    for value in constants.values():
        graph.register_initializer(value)
    try:
        return ir.serde.serialize_model(model)
    finally:
        for name in constants:
            graph.initializers.pop(name)


def _keep_outputs(graph: Any, holds_graphs: bool) -> None:
    import onnx_ir as ir

    for node in graph:
        for attribute in node.attributes.values() if holds_graphs else ():
            if attribute.type == ir.AttributeType.GRAPH:
                _keep_outputs(attribute.as_graph(), holds_graphs)
        if node.op_type == "Constant" and node.domain in _STANDARD:
            tensor = _constant(node)
            if tensor is not None:
                node.outputs[0].const_value = tensor
                node.outputs[0].meta["constant"] = True


def _constant(node: Any) -> Any:
    import onnx_ir as ir

    (key, attribute), *rest = node.attributes.items()
    if rest:
        raise ValueError(f"node '{node.name}' (Constant): has {counted(len(rest) + 1, 'value')}")
    if key == "value":
        return attribute.value if attribute.type == ir.AttributeType.TENSOR else attribute.as_tensor()
    return ir.tensor(np.array(attribute.value, _KINDS[key])) if key in _KINDS else None
